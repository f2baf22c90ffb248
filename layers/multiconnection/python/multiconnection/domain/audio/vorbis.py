"""Vorbis: the first header says the rate and the two sizes of blocks, the third one which packets have which."""

from dataclasses import dataclass

from .found import AudioError, Steps, little
from .packets import Reader, Sound

IDENTIFICATION, SETUP = b"\x01vorbis", b"\x05vorbis"
HEADER_BYTES = 30
# Real ones have four to eight thousand.
SETUP_BYTES_MAX = 1 << 16
# Two headers are laced in front of the third one in Matroska.
_LACED = 2
_CODEBOOK = 0x564342


@dataclass(frozen=True, slots=True)
class Header:
    rate: int
    short: int
    long: int
    channels: int

    def or_longer(self, other: "Header") -> "Header":
        """Decoders begin anew with every header that they meet."""
        return Header(min(self.rate, other.rate), min(self.short, other.short), max(self.long, other.long), 0)


@dataclass(frozen=True, slots=True)
class Blocks:
    """The samples of a packet, by its first byte: half a block, since each overlaps its neighbours by half."""

    samples: tuple[int, ...]
    longest: int

    def of(self, first: int) -> int:
        mode = first >> 1 & ((1 << (len(self.samples) - 1).bit_length()) - 1)
        return self.samples[mode] if mode < len(self.samples) else self.longest


def header(packet: bytes) -> Header:
    """Vorbis I, 4.2.2; raises AudioError."""
    sizes = little(packet, 28, 1)
    rate, short, long = little(packet, 12, 4), 1 << (sizes & 15), 1 << (sizes >> 4)
    if (
        not packet.startswith(IDENTIFICATION)
        or len(packet) < HEADER_BYTES
        or not rate
        or not 64 <= short <= long <= 8192
    ):
        raise AudioError("The Vorbis header is not valid.")
    return Header(rate, short, long, packet[11])


def blocks(found: Header, setup: bytes, steps: Steps) -> Blocks | None:
    """None for a setup header that is not valid."""
    modes = _modes(setup, found.channels, steps)
    if modes is None:
        return None
    return Blocks(tuple((found.long if long else found.short) // 2 for long in modes), found.long // 2)


def reader(data: bytes, at: int, end: int, steps: Steps) -> Reader:
    """Of Matroska's CodecPrivate, which begins at `at`; raises AudioError."""
    if data[at : at + 2] != bytes((_LACED, HEADER_BYTES)):
        raise AudioError("The Vorbis sound has no header.")
    at, comments = at + 2, 0
    while at < end and data[at] == 255:
        steps.take()
        at, comments = at + 1, comments + 255
    comments += little(data, at, 1)
    found = header(data[at + 1 : at + 1 + HEADER_BYTES])
    at += 1 + HEADER_BYTES + comments
    known = blocks(found, data[at : min(end, at + SETUP_BYTES_MAX)], steps)
    longest: Sound = (found.long // 2, found.rate, found.short == found.long)

    def read(data: bytes, at: int, size: int) -> Sound:
        if data[at] & 1:
            raise AudioError("The Vorbis sound changes in the middle.")
        return (known.of(data[at]), found.rate, True) if known else longest

    return read


class _Bits:
    """Of a setup header: the lowest bit of a byte is the first one. Behind the end are zeros."""

    def __init__(self, data: bytes, at: int, steps: Steps) -> None:
        self._data, self._at, self._steps = data, 8 * at, steps

    def take(self, count: int) -> int:
        """At most 32 of them."""
        self._steps.take()
        first = self._at >> 3
        self._at += count
        return int.from_bytes(self._data[first : first + 5], "little") >> (self._at - count & 7) & ((1 << count) - 1)

    def skip(self, count: int) -> None:
        self._at += count

    @property
    def missing(self) -> bool:
        return self._at > 8 * len(self._data)


def _modes(setup: bytes, channels: int, steps: Steps) -> list[bool] | None:
    """Whether the blocks of each mode are long: they come last, so all before them is stepped over (4.2.4)."""
    if not setup.startswith(SETUP) or not channels:
        return None
    bits = _Bits(setup, len(SETUP), steps)
    for skip_one in (_codebook, _time, _floor, _residue):
        for _ in range(bits.take(8 if skip_one is _codebook else 6) + 1):
            if bits.missing or not skip_one(bits):
                return None
    for _ in range(bits.take(6) + 1):
        if bits.missing or not _mapping(bits, channels):
            return None
    modes = []
    for _ in range(bits.take(6) + 1):
        modes.append(bool(bits.take(1)))
        bits.skip(16 + 16 + 8)
    return modes if bits.take(1) and not bits.missing else None


def _codebook(bits: _Bits) -> bool:
    """Vorbis I, 3.2.1."""
    if bits.take(24) != _CODEBOOK:
        return False
    dimensions, entries = bits.take(16), bits.take(24)
    if bits.take(1):
        known = 0
        for _ in range(32 - bits.take(5)):
            if known < entries:
                known += bits.take((entries - known).bit_length())
        if known != entries:
            return False
    elif bits.take(1):
        for _ in range(entries):
            if bits.missing:
                return False
            if bits.take(1):
                bits.skip(5)
    else:
        bits.skip(5 * entries)
    lookup = bits.take(4)
    if not lookup:
        return True
    bits.skip(32 + 32)
    width = bits.take(4) + 1
    bits.skip(1)
    bits.skip(width * (_root(entries, dimensions) if lookup == 1 else entries * dimensions))
    return lookup <= 2 and dimensions > 0


def _root(entries: int, dimensions: int) -> int:
    """The greatest number whose power is no more than the entries (9.2.3)."""
    if not dimensions or entries < 2:
        return entries
    if dimensions >= entries.bit_length():
        return 1
    found = int(entries ** (1 / dimensions))
    while found**dimensions > entries:
        found -= 1
    while (found + 1) ** dimensions <= entries:
        found += 1
    return found


def _time(bits: _Bits) -> bool:
    return bits.take(16) == 0


def _floor(bits: _Bits) -> bool:
    """Vorbis I, 6.2.1 and 7.2.2."""
    kind = bits.take(16)
    if kind == 0:
        bits.skip(8 + 16 + 16 + 6 + 8)
        bits.skip(8 * (bits.take(4) + 1))
        return True
    if kind != 1:
        return False
    classes = [bits.take(4) for _ in range(bits.take(5))]
    dimensions = []
    for _ in range(max(classes, default=-1) + 1):
        dimensions.append(bits.take(3) + 1)
        subclasses = bits.take(2)
        bits.skip(8 * bool(subclasses) + (8 << subclasses))
    bits.skip(2)
    bits.skip(bits.take(4) * sum(dimensions[each] for each in classes))
    return True


def _residue(bits: _Bits) -> bool:
    """Vorbis I, 8.6.1."""
    kind = bits.take(16)
    bits.skip(24 + 24 + 24)
    count = bits.take(6) + 1
    bits.skip(8)
    books = 0
    for _ in range(count):
        books += bits.take(3).bit_count()
        books += bits.take(5).bit_count() if bits.take(1) else 0
    bits.skip(8 * books)
    return kind <= 2


def _mapping(bits: _Bits, channels: int) -> bool:
    """Vorbis I, 4.2.4; a coupling step names two channels."""
    kind = bits.take(16)
    submaps = bits.take(4) + 1 if bits.take(1) else 1
    if bits.take(1):
        bits.skip((bits.take(8) + 1) * 2 * (channels - 1).bit_length())
    reserved = bits.take(2)
    bits.skip(4 * channels if submaps > 1 else 0)
    bits.skip(24 * submaps)
    return kind == 0 == reserved
