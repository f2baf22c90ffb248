"""FLAC: the claim of STREAMINFO, checked against the frames that the file contains."""

import re
from collections import Counter
from collections.abc import Iterator

from .mpeg import after_tags
from .types import Audio, AudioError, Steps, big, in_milliseconds, windows

# Bytes that look like a frame header, checksum included, occur by chance about once in ten megabytes.
CHANCE_BYTES = 5_000_000
METADATA_BLOCKS_MAX = 4096
# A file may change its sample rate while it plays, this many times.
RATES_MAX = 64
# A checksum takes longer than a length; real frames are shorter than eighty bytes only for moments.
STEPS_PER_FRAME = 3
_SYNC = re.compile(rb"\xff[\xf8\xf9]")
_BLOCKS = {1: 192, **{code: 144 << code for code in range(2, 6)}, **{code: 1 << code for code in range(8, 16)}}
_RATES = (0, 88200, 176400, 192000, 8000, 16000, 22050, 24000, 32000, 44100, 48000, 96000)


def _crc8_table() -> bytes:
    table = bytearray()
    for byte in range(256):
        for _ in range(8):
            byte = (byte << 1 ^ 0x07) & 0xFF if byte & 0x80 else byte << 1
        table.append(byte)
    return bytes(table)


_CRC8 = _crc8_table()


def measure(data: bytes, steps: Steps) -> Audio:
    """Measure the frames. Raises AudioError if the stream states no sample rate or changes it too often."""
    start, rate, claimed = _stream_info(data, steps)
    samples: Counter[int] = Counter()
    longest = 0
    for count, own_rate in _frames(data, start, steps):
        samples[own_rate] += count
        if len(samples) > RATES_MAX:
            raise AudioError("The FLAC file changes its sample rate too often.")
        longest = max(longest, count)
    counted = samples.total()
    # A frame without a rate of its own may have that of any frame before it.
    samples[min([rate, *filter(None, samples)])] += samples.pop(0, 0)
    most = sum(in_milliseconds(count, own_rate) for own_rate, count in samples.items())
    by_chance = longest * (1 + len(data) // CHANCE_BYTES)
    if not 0 < claimed <= counted <= claimed + by_chance or counted - samples[rate] > by_chance:
        return Audio.exact("flac", most)
    claim = in_milliseconds(claimed, rate)
    return Audio.claimed("flac", claim, max(claim, most))


def _stream_info(data: bytes, steps: Steps) -> tuple[int, int, int]:
    """Position of the first frame, samples per second, and the claimed number of samples (0 if unknown)."""
    at, rate, claimed = after_tags(data) + 4, 0, 0
    for _ in range(METADATA_BLOCKS_MAX):
        steps.take()
        kind, size = big(data, at, 1), big(data, at + 1, 3)
        if kind & 0x7F == 0:
            packed = big(data, at + 14, 8)
            rate, claimed = packed >> 44, packed & 0xFFFFFFFFF
        at += 4 + size
        if kind & 0x80 or at >= len(data):
            break
    if not rate:
        raise AudioError("The FLAC file does not state its sample rate.")
    return at, rate, claimed


def _frames(data: bytes, start: int, steps: Steps) -> Iterator[tuple[int, int]]:
    """Samples and rate of everything that looks like a frame; a rate of 0 is the stream's."""
    for begin, end in windows(start, len(data), steps):
        for match in _SYNC.finditer(data, begin, end + 1):
            steps.take(STEPS_PER_FRAME)
            found = _header(data[match.start() : match.start() + 16])
            if found is not None:
                yield found


def _header(raw: bytes) -> tuple[int, int] | None:
    """Samples and rate of a frame header (RFC 9639, 9.1), whose last byte is a checksum of the others."""
    if len(raw) < 6 or raw[3] & 1 or raw[3] >> 4 > 10:
        return None
    block, rate = raw[2] >> 4, raw[2] & 15
    at = 4 + _number_bytes(raw[4])
    tail = raw[at : at + (block == 6) + 2 * (block == 7)]
    samples = int.from_bytes(tail, "big") + 1 if tail else _BLOCKS.get(block, 0)
    at += len(tail)
    hertz, used = _rate(raw, at, rate)
    at += used
    if not samples or rate == 15 or at >= len(raw) or _crc8(raw[:at]) != raw[at]:
        return None
    return samples, hertz


def _rate(raw: bytes, at: int, code: int) -> tuple[int, int]:
    """The rate for a code, and how many bytes at `at` it took."""
    if code < len(_RATES):
        return _RATES[code], 0
    if code == 12:
        return big(raw, at, 1) * 1000, 1
    return big(raw, at, 2) * (10 if code == 14 else 1), 2


def _number_bytes(first: int) -> int:
    """Length of the frame number, which is coded like UTF-8."""
    ones = 8 - (first ^ 0xFF).bit_length()
    return max(1, ones)


def _crc8(raw: bytes) -> int:
    value = 0
    for byte in raw:
        value = _CRC8[value ^ byte]
    return value
