"""Ogg: pages of packets. Opus packets tell their length, Vorbis packets the size of their block."""

import zlib
from dataclasses import dataclass, field

from . import packets
from .packets import Reader, Sound
from .types import Audio, AudioError, Steps, in_milliseconds, little

HEADER_BYTES = 27
# Chained and multiplexed ones; each has some hundred bytes of state.
STREAMS_MAX = 256
# Pictures, texts, and an index.
_SILENT = (b"\x80theora", b"OVP80", b"BBCD\x00", b"\x80kate", b"CMML", b"fishead\x00", b"\x01video", b"\x01text")
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_NO_POSITION = 0xFFFFFFFFFFFFFFFF
_HEADERS = {"opus": 2, "vorbis": 3}


# Vorbis: the first header says the rate and the two sizes of blocks, the third one which packets have which.


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


@dataclass(slots=True)
class _Stream:
    """One logical stream. `position` is the granule position of its last page that has one, a claim.

    `whole` until something is found that decoders may read otherwise: then every block of Vorbis may be a long one.
    """

    codec: str = ""
    header: Header | None = None
    setup: bytearray = field(default_factory=bytearray)
    blocks: Blocks | None = None
    whole: bool = True
    skipped: int = 0
    packets: int = 0
    samples: int = 0
    position: int = 0
    continued: bool = False

    def begin(self, packet: bytes) -> None:
        """The first packet names the codec; raises AudioError if it is none that can be measured."""
        if packet.startswith(b"OpusHead"):
            self.codec, self.skipped = "opus", little(packet, 10, 2)
        elif packet.startswith(IDENTIFICATION):
            self.codec = "vorbis"
        elif packet.startswith(b"\x7fFLAC"):
            raise AudioError("FLAC cannot be measured inside of Ogg: send it as a .flac file.")
        elif not packet.startswith(_SILENT):
            raise AudioError("In Ogg only Opus and Vorbis can be measured: send the sound in another format.")

    def take(self, packet: bytes, steps: Steps) -> None:
        """The first bytes of one packet."""
        if not self.packets:
            self.begin(packet)
        self.packets += 1
        if self.codec == "opus" and self.packets > _HEADERS["opus"]:
            self.samples += packets.opus_samples(packet[:2])
        elif self.codec == "vorbis":
            self._vorbis(packet, steps)

    def collect(self, data: bytes, start: int, length: int) -> None:
        """The third header of Vorbis, which may be spread over pages; of pages that are whole, which do not overlap."""
        if self.packets == _HEADERS["vorbis"] and self.whole and len(self.setup) < SETUP_BYTES_MAX:
            self.setup += data[start : start + length]

    def _vorbis(self, packet: bytes, steps: Steps) -> None:
        if packet.startswith(IDENTIFICATION):
            found = header(packet)
            self.header = self.header.or_longer(found) if self.header else found
        if self.packets <= _HEADERS["vorbis"]:
            return
        if self.packets == _HEADERS["vorbis"] + 1 and self.header:
            self.blocks = blocks(self.header, bytes(self.setup), steps)
            self.setup.clear()
        if not packet:
            return
        if packet[0] & 1:
            self.whole = False
        elif self.blocks:
            self.samples += self.blocks.of(packet[0])

    def length(self) -> tuple[int, int]:
        """Milliseconds that it says, and at most."""
        if self.header is not None:
            return self._length_of_vorbis(self.header)
        most = in_milliseconds(self.samples, packets.RATE)
        end = self.position if 0 < self.samples - self.position <= packets.PACKET_SAMPLES_MAX else self.samples
        return in_milliseconds(max(0, end - self.skipped), packets.RATE), most

    def _length_of_vorbis(self, header: Header) -> tuple[int, int]:
        samples = self.samples
        if not self.whole or self.blocks is None:
            samples = max(0, self.packets - _HEADERS["vorbis"]) * header.long // 2
        return in_milliseconds(self.position, header.rate), in_milliseconds(samples, header.rate)

    @property
    def exact(self) -> bool:
        return self.header is None or (self.whole and self.blocks is not None)


def measure(data: bytes, steps: Steps) -> Audio:
    """All streams one after the other, as in a chained file. Raises AudioError."""
    streams = [stream for stream in _walk(data, steps) if stream.codec]
    if not streams:
        raise AudioError("The Ogg file has no sound in it that is known.")
    said, most = (sum(lengths) for lengths in zip(*(stream.length() for stream in streams), strict=True))
    return Audio.claimed("ogg", said, most, exact=all(stream.exact for stream in streams))


def _walk(data: bytes, steps: Steps) -> list[_Stream]:
    streams: list[_Stream] = []
    current: dict[int, _Stream] = {}
    at = 0
    while 0 <= at < len(data) - HEADER_BYTES:
        steps.take()
        if data[at : at + 4] != b"OggS":
            at = data.find(b"OggS", at + 1)
            continue
        serial = little(data, at + 14, 4)
        if data[at + 5] & 2 or serial not in current:
            current[serial] = _Stream()
            streams.append(current[serial])
            if len(streams) > STREAMS_MAX:
                raise AudioError(f"The Ogg file has more than {STREAMS_MAX} streams.")
        start = at + HEADER_BYTES + data[at + 26]
        lacing = data[at + HEADER_BYTES : start]
        end = start + sum(lacing)
        steps.scan(end - at)
        # Of a page that is not whole decoders look for another one inside of it. Once the blocks are known, its packets
        # only add to theirs.
        whole = _is_whole(data[at:end])
        current[serial].whole &= whole or current[serial].blocks is not None
        _page(data, at, start, lacing, current[serial], steps)
        at = end if whole else at + 1
    return streams


def _page(data: bytes, at: int, start: int, lacing: bytes, stream: _Stream, steps: Steps) -> None:
    """The packets of the page at `at`, the first of which begins at `start`."""
    steps.take(len(lacing))
    fresh = not (data[at + 5] & 1 and stream.continued)
    stream.whole &= bool(data[at + 5] & 1) == stream.continued
    for length in lacing:
        if fresh:
            stream.take(data[start : start + 64], steps)
        stream.collect(data, start, length)
        start += length
        fresh = length < 255
    stream.continued = not fresh
    position = little(data, at + 6, 8)
    if position != _NO_POSITION:
        stream.position = position


def _is_whole(page: bytes) -> bool:
    """Its checksum is that of zlib with the bits in the other direction (RFC 3533, 6), and without inversions."""
    blank = (page[:22] + bytes(4) + page[26:]).translate(_REVERSED)
    found = zlib.crc32(blank, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{found:032b}"[::-1], 2) == little(page, 22, 4)


IDENTIFICATION, SETUP = b"\x01vorbis", b"\x05vorbis"
VORBIS_HEADER_BYTES = 30
# Real ones have four to eight thousand.
SETUP_BYTES_MAX = 1 << 16
# Two headers are laced in front of the third one in Matroska.
_LACED = 2
_CODEBOOK = 0x564342


def header(packet: bytes) -> Header:
    """Vorbis I, 4.2.2; raises AudioError."""
    sizes = little(packet, 28, 1)
    rate, short, long = little(packet, 12, 4), 1 << (sizes & 15), 1 << (sizes >> 4)
    if (
        not packet.startswith(IDENTIFICATION)
        or len(packet) < VORBIS_HEADER_BYTES
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
    if data[at : at + 2] != bytes((_LACED, VORBIS_HEADER_BYTES)):
        raise AudioError("The Vorbis sound has no header.")
    at, comments = at + 2, 0
    while at < end and data[at] == 255:
        steps.take()
        at, comments = at + 1, comments + 255
    comments += little(data, at, 1)
    found = header(data[at + 1 : at + 1 + VORBIS_HEADER_BYTES])
    at += 1 + VORBIS_HEADER_BYTES + comments
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
