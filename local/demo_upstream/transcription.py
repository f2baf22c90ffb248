"""POST /audio/transcriptions and /audio/translations: the transcript states what was received."""

import asyncio
import math
from typing import Any

import orjson

from local.demo_upstream import transcript
from local.demo_upstream.ask import BadRequest
from local.demo_upstream.audio import Undecodable, audio_seconds
from local.demo_upstream.call import Call, Usage
from local.demo_upstream.dialects import Script
from local.demo_upstream.fields import missing
from local.demo_upstream.frames import named_event
from local.demo_upstream.multipart import Upload
from local.demo_upstream.serve import NAMED
from local.demo_upstream.transcript import Transcript
from local.demo_upstream.words import pieces

AUDIO_TOKENS_PER_SECOND = 10
SAY = "say:"
TEXT_PLAIN = b"text/plain; charset=utf-8"
WHISPER_FORMATS = ("json", "text", "srt", "verbose_json", "vtt")
DIARIZE_FORMATS = ("json", "text", "diarized_json")
GPT_FORMATS = ("json", "text")


async def transcribe(call: Call) -> None:
    """Whole, or as events for the models that stream."""
    whisper = _is_whisper(call)
    kind = _format(call, WHISPER_FORMATS if whisper else DIARIZE_FORMATS if _is_diarizing(call) else GPT_FORMATS)
    heard = await _heard(call)
    if call.streams and not whisper:
        await call.play(NAMED, lambda: _script(call, heard))
        return
    await _respond(call, heard, kind, "transcribe")


async def translate(call: Call) -> None:
    """Only Whisper translates, and it does not stream."""
    await _respond(call, await _heard(call), _format(call, WHISPER_FORMATS), "translate")


def _is_whisper(call: Call) -> bool:
    return "whisper" in call.base


def _is_diarizing(call: Call) -> bool:
    return "diarize" in call.base


def _format(call: Call, allowed: tuple[str, ...]) -> str:
    return call.fields.choice("response_format", allowed, "json")


async def _heard(call: Call) -> Transcript:
    files = call.files.get("file")
    if not files:
        raise missing("file")
    try:
        seconds = await asyncio.to_thread(audio_seconds, files[0].data)
    except Undecodable as exc:
        raise BadRequest("Audio file might be corrupted or unsupported", "file", "invalid_value") from exc
    return Transcript(_said(call, files[0], seconds), seconds)


def _said(call: Call, file: Upload, seconds: float) -> str:
    prompt = call.fields.text("prompt") or ""
    if prompt.startswith(SAY):
        return prompt.removeprefix(SAY).strip()
    return f"Received {file.name}: {seconds:.3f} seconds of audio."


async def _respond(call: Call, heard: Transcript, kind: str, task: str) -> None:
    if kind in ("text", "srt", "vtt"):
        text = {"srt": transcript.srt, "vtt": transcript.vtt}.get(kind, lambda one: f"{one.text}\n")(heard)
        await call.respond(text.encode(), TEXT_PLAIN)
        return
    body: dict[str, Any] = {"text": heard.text}
    if kind == "verbose_json":
        body = transcript.verbose(heard, call.fields.words("timestamp_granularities"), task)
    elif kind == "diarized_json":
        body = transcript.diarized(heard)
    usage = _usage(call, heard, by_seconds=_is_whisper(call) or task == "translate")
    await call.respond(orjson.dumps(body if usage is None else {**body, "usage": usage}))


def _usage(call: Call, heard: Transcript, *, by_seconds: bool) -> Usage | None:
    if by_seconds:
        return call.report(max(1, math.floor(heard.seconds + 0.5)), 0, lambda given, _made, _total: _duration(given))
    audio = math.ceil(heard.seconds * AUDIO_TOKENS_PER_SECOND)
    text = len((call.fields.text("prompt") or "").split())
    return call.report(
        text + audio,
        len(heard.text.split()),
        lambda given, made, total: {
            "type": "tokens",
            "input_tokens": given,
            "input_token_details": {"text_tokens": text, "audio_tokens": audio},
            "output_tokens": made,
            "total_tokens": total,
        },
    )


def _duration(seconds: Any) -> Usage:
    return {"type": "duration", "seconds": seconds}


def _script(call: Call, heard: Transcript) -> Script:
    usage = _usage(call, heard, by_seconds=False)
    deltas = [named_event("transcript.text.delta", {"delta": piece}) for piece in pieces(heard.text)]
    done = {"text": heard.text} if usage is None else {"text": heard.text, "usage": usage}
    return Script([], deltas + _segments(call, heard), [named_event("transcript.text.done", done)])


def _segments(call: Call, heard: Transcript) -> list[bytes]:
    if not _is_diarizing(call):
        return []
    turns = [transcript.diarized_segment(number, one) for number, one in enumerate(heard.segments())]
    return [named_event("transcript.text.segment", turn) for turn in turns]
