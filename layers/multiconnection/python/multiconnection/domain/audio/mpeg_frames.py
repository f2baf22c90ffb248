"""The headers of MPEG audio's frames (ISO 11172-3, 2.4.1.3 and 13818-3): how long one is, in bytes and in samples."""

import re
from bisect import bisect_right
from collections.abc import Iterator

from .found import Steps

_KBITS = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
RATE_MAX = 48_000
_WINDOW_BYTES = 1 << 12
_SIGN = re.compile(rb"\xff(?=[\xe2-\xff])")

Frame = tuple[int, int, int]
"""Bytes, samples, samples per second."""


def _frame(second: int, third: int) -> Frame | None:
    """Of the header's second and third byte."""
    version, layer = second >> 3 & 3, 4 - (second >> 1 & 3)
    bitrate, rate, padding = third >> 4, third >> 2 & 3, third >> 1 & 1
    if version == 1 or layer == 4 or bitrate in (0, 15) or rate == 3:
        return None
    hertz = _RATES[version][rate]
    bits = 1000 * _KBITS[1 if version == 3 else 2, layer][bitrate - 1]
    if layer == 1:
        return (12 * bits // hertz + padding) * 4, 384, hertz
    samples = 576 if layer == 3 and version != 3 else 1152
    return samples // 8 * bits // hertz + padding, samples, hertz


_FRAMES = {
    second << 8 | third: frame
    for second in range(0xE0, 256)
    for third in range(256)
    if (frame := _frame(second, third)) is not None
}
FRAME_BYTES_MAX = max(size for size, _, _ in _FRAMES.values())


def frame_at(data: bytes, at: int) -> Frame | None:
    return _FRAMES.get(data[at + 1] << 8 | data[at + 2]) if at + 3 < len(data) and data[at] == 0xFF else None


def alike(data: bytes, at: int, other: int) -> bool:
    """Whether two headers have the same version, layer and rate."""
    return (data[at + 1] ^ data[other + 1]) & 0x1E == 0 == (data[at + 2] ^ data[other + 2]) & 0x0C


def longest(data: bytes, start: int, steps: Steps) -> int:
    """Microseconds of the frames that a decoder could find from `start` on, wherever it begins to look.

    Of all signs of frames those that do not overlap and last longest: the best from each of them on is known once the
    best from all later ones is. Where the rate changes, some players take the next frame's for this one's.
    """
    # From the last sign to the first, and no more of them than a frame has bytes: positions are negative, so that they
    # ascend.
    signs, best, rates = [0], [0], [RATE_MAX]
    for position in _signs(data, start, steps):
        size, samples, rate = _FRAMES[data[position + 1] << 8 | data[position + 2]]
        after = max(0, bisect_right(signs, -position - size, 1) - 1)
        lasting = -(-samples * 1_000_000 // min(rate, rates[after]))
        signs.append(-position)
        best.append(max(best[-1], best[after] + lasting))
        rates.append(rate)
        if len(signs) > 2 * FRAME_BYTES_MAX:
            for kept in (signs, best, rates):
                del kept[1 : FRAME_BYTES_MAX - 1]
    return best[-1]


def _signs(data: bytes, start: int, steps: Steps) -> Iterator[int]:
    """Where something looks like a frame's header, from the last one to the first."""
    for end in range(len(data), start, -_WINDOW_BYTES):
        begin = max(start, end - _WINDOW_BYTES)
        steps.scan(_WINDOW_BYTES)
        found = []
        for sign in _SIGN.finditer(data, begin, end + 1):
            steps.take()
            if frame_at(data, sign.start()):
                found.append(sign.start())
        yield from reversed(found)
