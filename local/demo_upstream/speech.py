"""POST /audio/speech: a real, playable melody in the asked format, as bytes or as events."""

import asyncio
import math
from base64 import b64encode

from local.demo_upstream.ask import BadRequest
from local.demo_upstream.audio import speech
from local.demo_upstream.call import Call, Usage
from local.demo_upstream.dialects import Script
from local.demo_upstream.fields import Fields, missing
from local.demo_upstream.frames import named_event
from local.demo_upstream.melody import spoken_seconds
from local.demo_upstream.serve import NAMED, chunks_of, respond_in_chunks

INPUT_CHARACTERS_MAX = 4096
AUDIO_TOKENS_PER_SECOND = 20
SPEED_MIN, SPEED_MAX = 0.25, 4.0
VOICES_OF_TTS_1 = ("alloy", "ash", "coral", "echo", "fable", "nova", "onyx", "sage", "shimmer")
VOICES = (*VOICES_OF_TTS_1, "ballad", "verse", "marin", "cedar")
KINDS = {
    "mp3": b"audio/mpeg",
    "opus": b"audio/opus",
    "aac": b"audio/aac",
    "flac": b"audio/flac",
    "wav": b"audio/wav",
    "pcm": b"audio/pcm",
}


async def speak(call: Call) -> None:
    """Sends the audio in chunks; with `stream_format: sse` as events, the last of them with usage."""
    fields, classic = call.fields, call.base.startswith("tts-1")
    text = _input(fields)
    voice = _voice(fields, VOICES_OF_TTS_1 if classic else VOICES)
    kind = fields.choice("response_format", KINDS, "mp3")
    speed = fields.number("speed", 1.0, SPEED_MIN, SPEED_MAX)
    events = fields.choice("stream_format", ("audio", "sse"), "audio") == "sse"
    if events and classic:
        raise BadRequest(f"stream_format 'sse' is not supported by {call.base}.", "stream_format", "unsupported_value")
    audio = await asyncio.to_thread(speech, text, voice, speed, kind)
    if events:
        usage = _usage(call, text, speed)
        await call.play(NAMED, lambda: _script(audio, usage))
    else:
        await respond_in_chunks(call.exchange, call.demo, call.profile, audio, KINDS[kind])


def _input(fields: Fields) -> str:
    text = fields.required_text("input")
    if len(text) > INPUT_CHARACTERS_MAX:
        raise BadRequest(
            f"Invalid 'input': string too long. Expected at most {INPUT_CHARACTERS_MAX} characters, got {len(text)}.",
            "input",
            "string_above_max_length",
        )
    return text


def _voice(fields: Fields, voices: tuple[str, ...]) -> str:
    voice = fields.get("voice")
    if isinstance(voice, dict) and isinstance(voice.get("id"), str):
        return str(voice["id"])
    if voice is None:
        raise missing("voice")
    return fields.choice("voice", voices, "alloy")


def _usage(call: Call, text: str, speed: float) -> Usage | None:
    words = len(text.split()) + len((call.fields.text("instructions") or "").split())
    return call.report(
        words,
        math.ceil(spoken_seconds(text, speed) * AUDIO_TOKENS_PER_SECOND),
        lambda given, made, total: {"input_tokens": given, "output_tokens": made, "total_tokens": total},
    )


def _script(audio: bytes, usage: Usage | None) -> Script:
    deltas = [named_event("speech.audio.delta", {"audio": b64encode(chunk).decode()}) for chunk in chunks_of(audio)]
    return Script([], deltas, [named_event("speech.audio.done", {} if usage is None else {"usage": usage})])
