"""Requests of the load generator by kind, and the check of their answers."""

import io
import math
import wave
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

MODEL = "gpt-4.1-mini"
# Draws noise: three megabytes as PNG, four in base64, as photographs have.
IMAGE_MODEL = "gpt-image-1-mini+big-event"
CALL_CHUNKS = 20
STREAM_CHUNKS = 200  # with the role chunk and the finish chunk: 202
PROMPT = "Explain in three sentences how a prepaid account is charged for a streamed answer."
SPOKEN = PROMPT * 6
RECORDED_S = 30
RATE = 16_000
BOUNDARY = "multiconnection-bench"
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Ask:
    """A POST to `path` below the base URL. `is_answer` sees the whole body of a 200."""

    path: str
    body: bytes
    is_answer: Callable[[bytes], bool]
    content_type: str = JSON


@lru_cache
def ask_of(kind: str, stream: bool = False, include_usage: bool = False, delay_ms: int = 0) -> Ask:
    """`kind` is "chat", whose other arguments these are, or one of OTHERS."""
    return OTHERS[kind]() if kind in OTHERS else _chat(stream, include_usage, delay_ms)


def _chat(stream: bool, include_usage: bool, delay_ms: int) -> Ask:
    body: dict[str, Any] = {
        "model": MODEL,
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": PROMPT},
        ],
        "max_tokens": 400,
        "demo": {"chunks": STREAM_CHUNKS if stream else CALL_CHUNKS},
    }
    if not stream:
        return _json("chat/completions", body, lambda answer: "choices" in orjson.loads(answer))
    body |= {"stream": True, "stream_options": {"include_usage": include_usage}}
    body["demo"]["delay_ms"] = delay_ms
    return _json("chat/completions", body, lambda answer: answer.endswith(b"data: [DONE]\n\n"))


def _speech() -> Ask:
    """Half a minute of MP3 in pieces of 4 KB, as fast as the upstream sends."""
    return _json("audio/speech", {"model": "tts-1", "input": SPOKEN, "voice": "alloy"}, lambda it: len(it) > 100_000)


def _embedding() -> Ask:
    """One text, the vector in base64, as the SDKs ask for it."""
    body = {"model": "text-embedding-3-small", "input": PROMPT, "encoding_format": "base64"}
    return _json("embeddings", body, lambda answer: len(orjson.loads(answer)["data"][0]["embedding"]) == 1536 * 16 // 3)


def _image() -> Ask:
    body = {"model": IMAGE_MODEL, "prompt": PROMPT, "size": "1024x1024", "quality": "low"}
    return _json("images/generations", body, lambda it: len(it) > 4_000_000 and it.startswith(b"{") and b"iVBOR" in it)


def _transcription() -> Ask:
    """A form with half a minute of WAV, a megabyte."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--{BOUNDARY}\r\n'
    file = 'Content-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n'
    body = (head + file).encode() + _recording() + f"\r\n--{BOUNDARY}--\r\n".encode()
    content_type = f"multipart/form-data; boundary={BOUNDARY}"
    return Ask("audio/transcriptions", body, lambda answer: "text" in orjson.loads(answer), content_type)


OTHERS: dict[str, Callable[[], Ask]] = {
    "speech": _speech,
    "embedding": _embedding,
    "image": _image,
    "transcription": _transcription,
}


def _json(path: str, body: dict[str, Any], is_answer: Callable[[bytes], bool]) -> Ask:
    return Ask(path, orjson.dumps(body), is_answer)


def _recording() -> bytes:
    tone = array("h", (int(9000 * math.sin(2 * math.pi * 440 * at / RATE)) for at in range(RECORDED_S * RATE)))
    content = io.BytesIO()
    with wave.open(content, "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(2)
        recording.setframerate(RATE)
        recording.writeframes(tone.tobytes())
    return content.getvalue()
