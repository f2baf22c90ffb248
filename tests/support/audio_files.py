"""Files with sound in every format that is taken: a tone, encoded by ffmpeg."""

import io
import math
import wave
from array import array
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
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


def clicks() -> bytes:
    """Two seconds of Ogg Vorbis by libvorbis, 44.1 kHz: clicks in noise, so most blocks are short.

    Were they long, it would play for four seconds. The encoder of ffmpeg writes no short ones.
    """
    return Path(__file__).with_name("clicks.ogg").read_bytes()


def remuxed(data: bytes, container: str) -> bytes:
    """The same packets with the same timestamps in another container."""
    file = io.BytesIO()
    with av.open(io.BytesIO(data), "r") as source, av.open(file, "w", format=container) as target:
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.size and packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    return file.getvalue()


def pages_changed(data: bytes, change: Callable[[bytearray], None]) -> bytes:
    """An Ogg file whose pages are changed one by one and have valid checksums again."""
    changed = bytearray()
    at = 0
    while at < len(data):
        body = at + 27 + data[at + 26]
        end = body + sum(data[at + 27 : body])
        page = bytearray(data[at:end])
        change(page)
        page[22:26] = bytes(4)
        crc = 0
        for byte in page:
            crc ^= byte << 24
            for _ in range(8):
                crc = (crc << 1 ^ (0x04C11DB7 if crc >> 31 else 0)) & 0xFFFFFFFF
        page[22:26] = crc.to_bytes(4, "little")
        changed += page
        at = end
    return bytes(changed)


def packets(data: bytes) -> list[bytes]:
    """Of a file's sound, as its container has them."""
    with av.open(io.BytesIO(data), "r") as source:
        return [bytes(packet) for packet in source.demux(audio=0) if packet.size]


def muxed(like: bytes, content: list[bytes], container: str, **options: str) -> bytes:
    """Any packets under the description that another file's sound has."""
    file = io.BytesIO()
    with av.open(io.BytesIO(like), "r") as source, av.open(file, "w", format=container, options=options) as target:
        stream = target.add_stream_from_template(source.streams.audio[0])
        unit = source.streams.audio[0].time_base or Fraction(1, 1000)
        for number, body in enumerate(content):
            packet = av.Packet(body)
            packet.stream, packet.time_base = stream, unit
            packet.pts = packet.dts = number * 1024
            target.mux(packet)
    return file.getvalue()


def heard_seconds(data: bytes) -> float:
    """By decoding all of it, over what cannot be decoded; nothing, if no player takes the file."""
    seconds = 0.0
    try:
        with av.open(io.BytesIO(data), "r") as source:
            for packet in source.demux(audio=0):
                with suppress(av.error.FFmpegError):
                    seconds += sum(frame.samples / frame.sample_rate for frame in packet.decode())
    except av.error.FFmpegError:
        pass
    return seconds
