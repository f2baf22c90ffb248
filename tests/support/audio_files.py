"""Files with sound in every format that is taken: a tone, encoded by ffmpeg."""

import io
import math
import wave
from array import array
from functools import lru_cache
from typing import Any, cast

import av

RATE = 16_000


@lru_cache
def wav(seconds: float = 2.5, rate: int = RATE) -> bytes:
    """16 bit, mono: 44 bytes, then 2 bytes a sample."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(tone(seconds, rate))
    return file.getvalue()


def tone(seconds: float, rate: int) -> bytes:
    count = round(seconds * rate)
    return array("h", (int(9000 * math.sin(2 * math.pi * 440 * at / rate)) for at in range(count))).tobytes()


@lru_cache
def encoded(
    container: str, codec: str, seconds: float = 2.5, rate: int = RATE, layout: str = "mono", **more: str
) -> bytes:
    """`more` are options of the container and of the codec."""
    file = io.BytesIO()
    with (
        av.open(io.BytesIO(wav(seconds, rate)), "r") as source,
        av.open(file, "w", format=container, options=dict(more)) as target,
    ):
        stream = cast(Any, target.add_stream(codec, rate=rate, options=dict(more)))
        stream.layout = layout
        for frame in source.decode(audio=0):
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return file.getvalue()


def heard_seconds(data: bytes) -> float:
    """By decoding all of it."""
    with av.open(io.BytesIO(data), "r") as source:
        return sum(frame.samples / frame.sample_rate for frame in source.decode(audio=0))
