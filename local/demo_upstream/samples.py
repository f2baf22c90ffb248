"""A good request for every endpoint but chat, as arguments of an HTTP client; for tests and benchmarks."""

from typing import Any

from local.demo_upstream.audio import wav
from local.demo_upstream.pictures import picture

# A model that is at home at each place.
PLACES = {
    "audio/speech": "tts-1",
    "audio/transcriptions": "whisper-1",
    "audio/translations": "whisper-1",
    "images/generations": "gpt-image-1",
    "images/edits": "gpt-image-1",
    "embeddings": "text-embedding-3-small",
    "completions": "gpt-3.5-turbo-instruct",
    "moderations": "omni-moderation-latest",
}
_JSON: dict[str, dict[str, Any]] = {
    "audio/speech": {"input": "good morning world", "voice": "alloy"},
    "images/generations": {"prompt": "a fox", "size": "16x16"},
    "completions": {"prompt": "good morning world"},
}
ONE_SECOND = bytes(48_000)


def sample(place: str, model: str, **fields: Any) -> dict[str, Any]:
    """`json`, or `data` and `files` where the endpoint takes a form; `fields` come on top."""
    if place.startswith("audio/tr"):
        return {"data": {"model": model, **fields}, "files": {"file": ("a.wav", wav(ONE_SECOND), "audio/wav")}}
    if place == "images/edits":
        files = {"image": ("a.png", picture("sample", (16, 16), "png"), "image/png")}
        return {"data": {"model": model, "prompt": "a fox", "size": "16x16", **fields}, "files": files}
    return {"json": {"model": model, **_JSON.get(place, {"input": "hello world"}), **fields}}
