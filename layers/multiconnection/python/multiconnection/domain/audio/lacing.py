"""Matroska's blocks: some carry several frames (RFC 9559, 10.3)."""

from collections.abc import Iterator

from .found import AudioError

LACED = 0x06
_XIPH, _FIXED = 1, 2
Frame = tuple[int, int]
"""Where it begins, and how many bytes it has."""


def vint(data: bytes, at: int) -> tuple[int, int]:
    """A number whose first byte tells how many bytes it has, and that many; 0 bytes where there is none."""
    if at >= len(data) or not data[at]:
        return 0, 0
    width = 9 - data[at].bit_length()
    return int.from_bytes(data[at : at + width], "big") & ((1 << 7 * width) - 1), width


def frames(data: bytes, flags: int, at: int, end: int) -> Iterator[Frame]:
    """Of a block whose flags say that it is laced; raises AudioError for sizes that do not fit."""
    kind = (flags & LACED) >> 1
    count = data[at] + 1
    at, sizes = (at + 1, []) if kind == _FIXED else _sizes(data, at + 1, count - 1, kind)
    left = end - at - sum(sizes)
    if left < 0 or any(size < 0 for size in sizes):
        raise AudioError("The WebM file is broken.")
    # Of unequal sizes the last one is not written.
    for size in [left // count] * count if kind == _FIXED else [*sizes, left]:
        yield at, size
        at += size


def _sizes(data: bytes, at: int, count: int, kind: int) -> tuple[int, list[int]]:
    sizes: list[int] = []
    for _ in range(count):
        if kind == _XIPH:
            size, at = _xiph(data, at)
        else:
            number, width = vint(data, at)
            if not width:
                raise AudioError("The WebM file is broken.")
            # All but the first one are differences, moved so that they are never negative.
            size = sizes[-1] + number - ((1 << 7 * width - 1) - 1) if sizes else number
            at += width
        sizes.append(size)
    return at, sizes


def _xiph(data: bytes, at: int) -> tuple[int, int]:
    size = 0
    while data[at : at + 1] == b"\xff":
        size, at = size + 255, at + 1
    return size + int.from_bytes(data[at : at + 1], "big"), at + 1
