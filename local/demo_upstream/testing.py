"""For tests and benchmarks: the demo upstream as a child process, and a good request for every endpoint but chat."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local.demo_upstream.audio import wav
from local.demo_upstream.images import picture

READY = "demo upstream ready on "
STOP_TIMEOUT_S = 10
ONE_SECOND = bytes(48_000)
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
_BODIES: dict[str, dict[str, Any]] = {
    "audio/speech": {"input": "good morning world", "voice": "alloy"},
    "images/generations": {"prompt": "a fox", "size": "16x16"},
    "completions": {"prompt": "good morning world"},
}
_ROOT = Path(__file__).parents[2]


@contextmanager
def demo_upstream(port: int = 0) -> Iterator[str]:
    """The base URL, which ends in /v1, of a child process that ends with the block."""
    with demo_process(port) as (base_url, _process):
        yield base_url


@contextmanager
def demo_process(port: int = 0) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The same with the process, for callers that measure or end it themselves."""
    command = [sys.executable, "-m", "local.demo_upstream", "--port", str(port)]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield _base_url(process), process
        finally:
            process.terminate()
            process.wait(STOP_TIMEOUT_S)


def sample(place: str, model: str, **fields: Any) -> dict[str, Any]:
    """Arguments of an HTTP client: `json`, or `data` and `files` where the endpoint takes a form."""
    if place.startswith("audio/tr"):
        return {"data": {"model": model, **fields}, "files": {"file": ("a.wav", wav(ONE_SECOND), "audio/wav")}}
    if place == "images/edits":
        files = {"image": ("a.png", picture("sample", (16, 16), "png"), "image/png")}
        return {"data": {"model": model, "prompt": "a fox", "size": "16x16", **fields}, "files": files}
    return {"json": {"model": model, **_BODIES.get(place, {"input": "hello world"}), **fields}}


def _base_url(process: subprocess.Popen[str]) -> str:
    line = process.stdout.readline() if process.stdout is not None else ""
    if not line.startswith(READY):
        raise RuntimeError(f"the demo upstream did not start: {line!r}")
    return line.removeprefix(READY).strip()
