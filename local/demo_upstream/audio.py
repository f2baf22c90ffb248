"""Audio formats: encodes what the demo voices say, and measures what callers send."""

import io
import wave
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, cast

from local.demo_upstream.melody import RATE_HZ, melody

if TYPE_CHECKING:
    from av.audio import AudioStream

# A benchmark asks the same again and again; the longest WAV has one megabyte.
KEPT_MAX = 32


@dataclass(frozen=True, slots=True)
class Encoding:
    """How ffmpeg writes a format."""

    codec: str
    container: str
    bits_per_second: int | None = None


ENCODINGS = {
    "mp3": Encoding("libmp3lame", "mp3", 64_000),
    "opus": Encoding("libopus", "ogg", 32_000),
    "aac": Encoding("aac", "adts", 64_000),
    "flac": Encoding("flac", "flac"),
}


class Undecodable(ValueError):
    """The bytes are no audio that ffmpeg knows."""


@lru_cache(maxsize=KEPT_MAX)
def speech(text: str, voice: str, speed: float, kind: str) -> bytes:
    """The text's melody as mp3, opus, aac, flac, wav or pcm."""
    samples = melody(text, voice, speed)
    if kind == "pcm":
        return samples
    recorded = wav(samples)
    return recorded if kind == "wav" else _encoded(recorded, ENCODINGS[kind])


def wav(samples: bytes) -> bytes:
    """A WAV file of mono samples at the demo's rate."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE_HZ)
        writer.writeframes(samples)
    return file.getvalue()


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


def audio_seconds(data: bytes) -> float:
    """The real length, by decoding all of it."""
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
