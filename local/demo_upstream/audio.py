"""Audio endpoints: speech is a playable melody in the asked format, a transcript states what was received."""

import asyncio
import io
import math
import re
import wave
from array import array
from base64 import b64encode
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast
from zlib import crc32

import orjson

from local.demo_upstream.dialects import Script
from local.demo_upstream.serving import NAMED, Call, chunks_of, pieces, respond_in_chunks
from local.demo_upstream.wire import BadRequest, Fields, Json, Upload, missing, named_event

if TYPE_CHECKING:
    from av.audio import AudioStream

# Samples have 16 bits, mono.
RATE_HZ = 24_000
SECONDS_PER_CHARACTER = 0.06
SECONDS_MAX = 20.0
INPUT_CHARACTERS_MAX = 4096
SPOKEN_TOKENS_PER_SECOND = 20
HEARD_TOKENS_PER_SECOND = 10
SPEED_MIN, SPEED_MAX = 0.25, 4.0
VOICES_OF_TTS_1 = ("alloy", "ash", "coral", "echo", "fable", "nova", "onyx", "sage", "shimmer")
VOICES = (*VOICES_OF_TTS_1, "ballad", "verse", "marin", "cedar")
CONTENT_TYPES = {
    "mp3": b"audio/mpeg",
    "opus": b"audio/opus",
    "aac": b"audio/aac",
    "flac": b"audio/flac",
    "wav": b"audio/wav",
    "pcm": b"audio/pcm",
}
TEXT_PLAIN = b"text/plain; charset=utf-8"
WHISPER_FORMATS = ("json", "text", "srt", "verbose_json", "vtt")
DIARIZE_FORMATS = ("json", "text", "diarized_json")
GPT_FORMATS = ("json", "text")
SAY = "say:"
WORDS_PER_SEGMENT = 8
# A benchmark asks for the same text again and again; the longest WAV has one megabyte.
KEPT_MAX = 32
_LOUDNESS = 9_000
# A long word, or a script without spaces, gives more than one tone.
_WORD = re.compile(r"\s*\S{1,8}")
# Two octaves of a pentatonic scale as samples per period: whole numbers, so that periods can be repeated.
_PERIODS = (92, 82, 73, 61, 55, 46, 41, 37, 31, 27)
_RAMP = 4
# A tone fills most of its word's time; the rest is silence.
_TONE_SHARE = 0.8


class Undecodable(ValueError):
    """The bytes are not audio that ffmpeg knows."""


async def speak(call: Call) -> None:
    """POST /audio/speech: audio in chunks, or with `stream_format: sse` as events, the last of them with usage."""
    fields, classic = call.fields, call.base.startswith("tts-1")
    text = _input(fields)
    voice = _voice(fields, VOICES_OF_TTS_1 if classic else VOICES)
    kind = fields.choice("response_format", CONTENT_TYPES, "mp3")
    speed = fields.number("speed", 1.0, SPEED_MIN, SPEED_MAX)
    events = fields.choice("stream_format", ("audio", "sse"), "audio") == "sse"
    if events and classic:
        raise BadRequest(f"stream_format 'sse' is not supported by {call.base}.", "stream_format", "unsupported_value")
    audio = await asyncio.to_thread(speech, text, voice, speed, kind)
    if events:
        usage = _speech_usage(call, text, speed)
        await call.play(NAMED, lambda: _speech_script(audio, usage))
    else:
        await respond_in_chunks(call, audio, CONTENT_TYPES[kind])


async def transcribe(call: Call) -> None:
    """POST /audio/transcriptions: a whole transcript, or events for the models that stream."""
    whisper = _is_whisper(call)
    kind = _format(call, WHISPER_FORMATS if whisper else DIARIZE_FORMATS if _is_diarizing(call) else GPT_FORMATS)
    transcript = await _transcript(call)
    if call.streams and not whisper:
        await call.play(NAMED, lambda: _transcript_script(call, transcript))
        return
    await _respond(call, transcript, kind, "transcribe")


async def translate(call: Call) -> None:
    """POST /audio/translations: only Whisper translates, and it does not stream."""
    await _respond(call, await _transcript(call), _format(call, WHISPER_FORMATS), "translate")


@lru_cache(maxsize=KEPT_MAX)
def speech(text: str, voice: str, speed: float, kind: str) -> bytes:
    """The text's melody as mp3, opus, aac, flac, wav or pcm."""
    samples = melody(text, voice, speed)
    if kind == "pcm":
        return samples
    recorded = wav(samples)
    return recorded if kind == "wav" else _encoded(recorded, _ENCODINGS[kind])


def wav(samples: bytes) -> bytes:
    """A WAV file of samples at the demo's rate."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE_HZ)
        writer.writeframes(samples)
    return file.getvalue()


def melody(text: str, voice: str, speed: float) -> bytes:
    """One short tone for each word: samples of exactly the spoken time, the same for the same arguments."""
    samples = round(spoken_seconds(text, speed) * RATE_HZ)
    per_character = RATE_HZ * SECONDS_PER_CHARACTER / speed
    depth = crc32(voice.encode()) % 4
    sound, filled = [], 0
    for word in _WORD.finditer(text):
        end = min(samples, round(word.end() * per_character))
        sound.append(_tone(_PERIODS[crc32(word.group().strip().encode()) % len(_PERIODS)] + depth, end - filled))
        filled = end
        if filled == samples:
            break
    return b"".join(sound).ljust(2 * samples, b"\0")


def spoken_seconds(text: str, speed: float = 1.0) -> float:
    """The duration of the text, cut at the maximum."""
    return min(SECONDS_MAX, len(text) * SECONDS_PER_CHARACTER / speed)


def audio_seconds(data: bytes) -> float:
    """The real length, by decoding all of it. Raises Undecodable."""
    import av

    try:
        with av.open(io.BytesIO(data), "r") as source:
            frames = source.decode(source.streams.audio[0])
            seconds = sum(frame.samples / frame.sample_rate for frame in frames)
    except (av.FFmpegError, IndexError) as exc:
        raise Undecodable(str(exc)) from exc
    if not seconds:
        raise Undecodable("no samples")
    # Summed floats end just above or below a whole second, which callers round up.
    return round(seconds, 6)


@dataclass(frozen=True, slots=True)
class Encoding:
    """The arguments with which ffmpeg writes a format."""

    codec: str
    container: str
    bits_per_second: int | None = None


_ENCODINGS = {
    "mp3": Encoding("libmp3lame", "mp3", 64_000),
    "opus": Encoding("libopus", "ogg", 32_000),
    "aac": Encoding("aac", "adts", 64_000),
    "flac": Encoding("flac", "flac"),
}


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a text and the time at which it is spoken."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Transcript:
    """A text, and for how long it is spoken."""

    text: str
    seconds: float

    def words(self) -> list[Span]:
        """Each word with an equal share of the time."""
        found = self.text.split()
        share = self.seconds / max(1, len(found))
        return [Span(word, round(at * share, 3), round((at + 1) * share, 3)) for at, word in enumerate(found)]

    def segments(self) -> list[Span]:
        """Runs of a few words."""
        words = self.words()
        runs = [words[at : at + WORDS_PER_SEGMENT] for at in range(0, len(words), WORDS_PER_SEGMENT)]
        return [Span(" ".join(word.text for word in run), run[0].start_s, run[-1].end_s) for run in runs]

    def srt(self) -> str:
        """SubRip subtitles."""
        blocks = [
            f"{number}\n{_clock(one.start_s, ',')} --> {_clock(one.end_s, ',')}\n{one.text}\n"
            for number, one in enumerate(self.segments(), 1)
        ]
        return "\n".join(blocks) + "\n"

    def vtt(self) -> str:
        """WebVTT subtitles."""
        blocks = [f"{_clock(one.start_s, '.')} --> {_clock(one.end_s, '.')}\n{one.text}\n" for one in self.segments()]
        return "WEBVTT\n\n" + "\n".join(blocks) + "\n"

    def verbose(self, granularities: list[str], task: str) -> Json:
        """Whisper's verbose_json, without usage."""
        body: Json = {
            "task": task,
            "language": "english",
            "duration": round(self.seconds, 3),
            "text": self.text,
        }
        if "word" in granularities:
            body["words"] = [{"word": one.text, "start": one.start_s, "end": one.end_s} for one in self.words()]
        if "segment" in granularities or not granularities:
            body["segments"] = [_verbose_segment(number, one) for number, one in enumerate(self.segments())]
        return body

    def diarized(self) -> Json:
        """diarized_json, without usage; everything is spoken by speaker A."""
        return {
            "task": "transcribe",
            "duration": round(self.seconds, 3),
            "text": self.text,
            "segments": [{"type": "transcript.text.segment", **turn} for turn in self.turns()],
        }

    def turns(self) -> list[Json]:
        """The turns of the speakers, as in the event `transcript.text.segment`."""
        return [
            {"id": f"seg_{number:03d}", "start": one.start_s, "end": one.end_s, "text": one.text, "speaker": "A"}
            for number, one in enumerate(self.segments())
        ]


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


def _speech_usage(call: Call, text: str, speed: float) -> Json | None:
    words = len(text.split()) + len((call.fields.text("instructions") or "").split())
    return call.report(
        words,
        math.ceil(spoken_seconds(text, speed) * SPOKEN_TOKENS_PER_SECOND),
        lambda given, made, total: {"input_tokens": given, "output_tokens": made, "total_tokens": total},
    )


def _speech_script(audio: bytes, usage: Json | None) -> Script:
    deltas = [named_event("speech.audio.delta", {"audio": b64encode(chunk).decode()}) for chunk in chunks_of(audio)]
    return Script([], deltas, [named_event("speech.audio.done", {} if usage is None else {"usage": usage})])


@lru_cache(maxsize=256)
def _tone(period: int, samples: int) -> bytes:
    """A tone that rises and falls over a few periods, so that it does not click."""
    periods = int(samples * _TONE_SHARE) // period
    ramp = min(_RAMP, periods // 2)
    levels = [(step + 1) / (ramp + 1) for step in range(ramp)]
    rise = [_wave(period, level) for level in levels]
    sound = b"".join([*rise, _wave(period, 1.0) * (periods - 2 * ramp), *reversed(rise)])
    return sound.ljust(2 * samples, b"\0")


@lru_cache(maxsize=256)
def _wave(period: int, level: float) -> bytes:
    """One period of a sine."""
    return array("h", (round(_LOUDNESS * level * math.sin(math.tau * at / period)) for at in range(period))).tobytes()


def _encoded(recorded: bytes, encoding: Encoding) -> bytes:
    import av  # 150 ms that chat alone need not pay

    file = io.BytesIO()
    with av.open(io.BytesIO(recorded), "r") as source, av.open(file, "w", format=encoding.container) as target:
        stream = cast("AudioStream", target.add_stream(encoding.codec, rate=RATE_HZ, layout="mono"))
        if encoding.bits_per_second is not None:
            stream.bit_rate = encoding.bits_per_second
        for frame in source.decode(audio=0):
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return file.getvalue()


def _is_whisper(call: Call) -> bool:
    return "whisper" in call.base


def _is_diarizing(call: Call) -> bool:
    return "diarize" in call.base


def _format(call: Call, allowed: tuple[str, ...]) -> str:
    return call.fields.choice("response_format", allowed, "json")


async def _transcript(call: Call) -> Transcript:
    """Decode the file. The transcript states its name and length, unless the prompt says another text."""
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


async def _respond(call: Call, transcript: Transcript, kind: str, task: str) -> None:
    texts = {"text": lambda: f"{transcript.text}\n", "srt": transcript.srt, "vtt": transcript.vtt}
    if kind in texts:
        await call.respond(texts[kind]().encode(), TEXT_PLAIN)
        return
    body: Json = {"text": transcript.text}
    if kind == "verbose_json":
        body = transcript.verbose(call.fields.words("timestamp_granularities"), task)
    elif kind == "diarized_json":
        body = transcript.diarized()
    usage = _transcript_usage(call, transcript, by_seconds=_is_whisper(call) or task == "translate")
    await call.respond(orjson.dumps(body if usage is None else {**body, "usage": usage}))


def _transcript_usage(call: Call, transcript: Transcript, *, by_seconds: bool) -> Json | None:
    if by_seconds:
        seconds = max(1, math.floor(transcript.seconds + 0.5))
        return call.report(seconds, 0, lambda given, _made, _total: {"type": "duration", "seconds": given})
    audio = math.ceil(transcript.seconds * HEARD_TOKENS_PER_SECOND)
    text = len((call.fields.text("prompt") or "").split())

    def shape(given: Any, made: Any, total: Any) -> Json:
        return {
            "type": "tokens",
            "input_tokens": given,
            "input_token_details": {"text_tokens": text, "audio_tokens": audio},
            "output_tokens": made,
            "total_tokens": total,
        }

    return call.report(text + audio, len(transcript.text.split()), shape)


def _transcript_script(call: Call, transcript: Transcript) -> Script:
    usage = _transcript_usage(call, transcript, by_seconds=False)
    deltas = [named_event("transcript.text.delta", {"delta": piece}) for piece in pieces(transcript.text)]
    turns = transcript.turns() if _is_diarizing(call) else []
    segments = [named_event("transcript.text.segment", turn) for turn in turns]
    done = {"text": transcript.text} if usage is None else {"text": transcript.text, "usage": usage}
    return Script([], deltas + segments, [named_event("transcript.text.done", done)])


def _verbose_segment(number: int, span: Span) -> Json:
    return {
        "id": number,
        "seek": 0,
        "start": span.start_s,
        "end": span.end_s,
        "text": f" {span.text}",
        "tokens": list(range(len(span.text.split()))),
        "temperature": 0.0,
        "avg_logprob": -0.125,
        "compression_ratio": 1.0,
        "no_speech_prob": 0.01,
    }


def _clock(seconds: float, point: str) -> str:
    ms = round(seconds * 1000)
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}{point}{ms % 1000:03d}"
