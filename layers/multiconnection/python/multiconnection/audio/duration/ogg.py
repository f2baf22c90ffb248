"""Ogg, and Vorbis wherever it is. Opus packets state their length; a Vorbis packet's is that of its kind of block.

Ogg is pages of packets (RFC 3533). In Vorbis the first header gives the sample rate and two block sizes, and the end of
the third, the setup header, tells which packets have which size.
"""

import zlib
from dataclasses import dataclass, field

from .packets import OPUS_RATE, OPUS_SAMPLES_MAX, Reader, Sound, opus_samples
from .types import Audio, AudioError, Bits, Steps, in_milliseconds, little

PAGE_HEADER_BYTES = 27
# Chained and multiplexed streams; each has some hundred bytes of state.
STREAMS_MAX = 256
VORBIS_HEADER_BYTES = 30
# Real setup headers have four to eight thousand.
SETUP_BYTES_MAX = 1 << 16
# The headers of a codec come before its first packet of sound.
_HEADERS = {"opus": 2, "vorbis": 3}
# Pictures, texts, and an index.
_SILENT = (b"\x80theora", b"OVP80", b"BBCD\x00", b"\x80kate", b"CMML", b"fishead\x00", b"\x01video", b"\x01text")
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_NO_POSITION = 0xFFFFFFFFFFFFFFFF
_IDENTIFICATION, _SETUP = b"\x01vorbis", b"\x05vorbis"
# In Matroska two headers are laced in front of the third one.
_LACED = 2
_CODEBOOK = 0x564342


def measure(data: bytes, steps: Steps) -> Audio:
    """Measure all streams as if they played one after the other, as in a chained file. Raises AudioError."""
    streams = [stream for stream in _streams(data, steps) if stream.codec]
    if not streams:
        raise AudioError("The Ogg file contains no Opus or Vorbis sound.")
    claim, most = (sum(lengths) for lengths in zip(*(stream.length() for stream in streams), strict=True))
    return Audio.claimed("ogg", claim, most, exact=all(stream.exact for stream in streams))


@dataclass(frozen=True, slots=True)
class VorbisHeader:
    """The identification header: sample rate, channels, and the samples of a short and a long block."""

    rate: int
    short: int
    long: int
    channels: int

    def or_longer(self, other: "VorbisHeader") -> "VorbisHeader":
        """Bounds for both: decoders start again with every header that they find."""
        return VorbisHeader(min(self.rate, other.rate), min(self.short, other.short), max(self.long, other.long), 0)


@dataclass(frozen=True, slots=True)
class VorbisBlocks:
    """Samples of a packet by the mode in its first byte: half a block, as each overlaps its neighbours by half."""

    samples: tuple[int, ...]
    longest: int

    def of(self, first: int) -> int:
        mode = first >> 1 & ((1 << (len(self.samples) - 1).bit_length()) - 1)
        return self.samples[mode] if mode < len(self.samples) else self.longest


@dataclass(slots=True)
class _Stream:
    """One logical stream.

    `position` is the granule position of the last page that has one; it is only a claim. `whole` becomes False once
    something is found that decoders may read in another way: every Vorbis block may then be a long one.
    """

    codec: str = ""
    header: VorbisHeader | None = None
    setup: bytearray = field(default_factory=bytearray)
    blocks: VorbisBlocks | None = None
    whole: bool = True
    skipped: int = 0
    packets: int = 0
    samples: int = 0
    position: int = 0
    continued: bool = False

    def take(self, packet: bytes, steps: Steps) -> None:
        """Add a packet by its first bytes. Raises AudioError for codecs that cannot be measured."""
        if not self.packets:
            self._begin(packet)
        self.packets += 1
        if self.codec == "opus" and self.packets > _HEADERS["opus"]:
            self.samples += opus_samples(packet[:2])
        elif self.codec == "vorbis":
            self._vorbis(packet, steps)

    def collect(self, data: bytes, start: int, length: int) -> None:
        """Add a piece of the setup header, which may span pages. Only whole pages count: they do not overlap."""
        if self.packets == _HEADERS["vorbis"] and self.whole and len(self.setup) < SETUP_BYTES_MAX:
            self.setup += data[start : start + length]

    def length(self) -> tuple[int, int]:
        """Milliseconds that the stream claims, and the most it can have."""
        if self.header is not None:
            return self._vorbis_length(self.header)
        most = in_milliseconds(self.samples, OPUS_RATE)
        end = self.position if 0 < self.samples - self.position <= OPUS_SAMPLES_MAX else self.samples
        return in_milliseconds(max(0, end - self.skipped), OPUS_RATE), most

    @property
    def exact(self) -> bool:
        return self.header is None or (self.whole and self.blocks is not None)

    def _begin(self, packet: bytes) -> None:
        """Read the codec off the first packet."""
        if packet.startswith(b"OpusHead"):
            self.codec, self.skipped = "opus", little(packet, 10, 2)
        elif packet.startswith(_IDENTIFICATION):
            self.codec = "vorbis"
        elif packet.startswith(b"\x7fFLAC"):
            raise AudioError("FLAC cannot be measured inside of Ogg: send it as a .flac file.")
        elif not packet.startswith(_SILENT):
            raise AudioError("In Ogg only Opus and Vorbis can be measured: send the sound in another format.")

    def _vorbis(self, packet: bytes, steps: Steps) -> None:
        if packet.startswith(_IDENTIFICATION):
            found = _vorbis_header(packet)
            self.header = self.header.or_longer(found) if self.header else found
        if self.packets <= _HEADERS["vorbis"]:
            return
        if self.packets == _HEADERS["vorbis"] + 1 and self.header:
            self.blocks = _vorbis_blocks(self.header, bytes(self.setup), steps)
            self.setup.clear()
        if not packet:
            return
        if packet[0] & 1:
            self.whole = False
        elif self.blocks:
            self.samples += self.blocks.of(packet[0])

    def _vorbis_length(self, header: VorbisHeader) -> tuple[int, int]:
        samples = self.samples
        if not self.whole or self.blocks is None:
            samples = max(0, self.packets - _HEADERS["vorbis"]) * header.long // 2
        return in_milliseconds(self.position, header.rate), in_milliseconds(samples, header.rate)


def _streams(data: bytes, steps: Steps) -> list[_Stream]:
    streams: list[_Stream] = []
    current: dict[int, _Stream] = {}
    at = 0
    while 0 <= at < len(data) - PAGE_HEADER_BYTES:
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
        start = at + PAGE_HEADER_BYTES + data[at + 26]
        lacing = data[at + PAGE_HEADER_BYTES : start]
        end = start + sum(lacing)
        steps.scan(end - at)
        # Inside of a page that is not whole, decoders look for another page. Once the blocks are known, the packets of
        # such a page only add to the length.
        whole = _is_whole(data[at:end])
        current[serial].whole &= whole or current[serial].blocks is not None
        _take_page(data, at, start, lacing, current[serial], steps)
        at = end if whole else at + 1
    return streams


def _take_page(data: bytes, at: int, start: int, lacing: bytes, stream: _Stream, steps: Steps) -> None:
    """Add the packets of the page at `at`, the first of which begins at `start`."""
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
    """Compares the checksum: that of zlib with the bits in the other order (RFC 3533, 6) and not inverted."""
    blank = (page[:22] + bytes(4) + page[26:]).translate(_REVERSED)
    found = zlib.crc32(blank, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{found:032b}"[::-1], 2) == little(page, 22, 4)


def vorbis_reader(data: bytes, at: int, end: int, steps: Steps) -> Reader:
    """A reader of Matroska's Vorbis packets, whose headers are the CodecPrivate at `at`. Raises AudioError."""
    if data[at : at + 2] != bytes((_LACED, VORBIS_HEADER_BYTES)):
        raise AudioError("The Vorbis sound has no header.")
    at, comments = at + 2, 0
    while at < end and data[at] == 255:
        steps.take()
        at, comments = at + 1, comments + 255
    comments += little(data, at, 1)
    found = _vorbis_header(data[at + 1 : at + 1 + VORBIS_HEADER_BYTES])
    at += 1 + VORBIS_HEADER_BYTES + comments
    known = _vorbis_blocks(found, data[at : min(end, at + SETUP_BYTES_MAX)], steps)
    longest: Sound = (found.long // 2, found.rate, found.short == found.long)

    def read(data: bytes, at: int, size: int) -> Sound:
        if data[at] & 1:
            raise AudioError("The Vorbis sound changes in the middle.")
        return (known.of(data[at]), found.rate, True) if known else longest

    return read


def _vorbis_header(packet: bytes) -> VorbisHeader:
    """The identification header (Vorbis I, 4.2.2). Raises AudioError if it is not valid."""
    sizes = little(packet, 28, 1)
    rate, short, long = little(packet, 12, 4), 1 << (sizes & 15), 1 << (sizes >> 4)
    if (
        not packet.startswith(_IDENTIFICATION)
        or len(packet) < VORBIS_HEADER_BYTES
        or not rate
        or not 64 <= short <= long <= 8192
    ):
        raise AudioError("The Vorbis header is not valid.")
    return VorbisHeader(rate, short, long, packet[11])


def _vorbis_blocks(found: VorbisHeader, setup: bytes, steps: Steps) -> VorbisBlocks | None:
    """None if the setup header is not valid."""
    modes = _modes(setup, found.channels, steps)
    if modes is None:
        return None
    return VorbisBlocks(tuple((found.long if long else found.short) // 2 for long in modes), found.long // 2)


def _modes(setup: bytes, channels: int, steps: Steps) -> list[bool] | None:
    """Flags of the modes with long blocks. Modes come last, so all before them is stepped over (4.2.4)."""
    if not setup.startswith(_SETUP) or not channels:
        return None
    bits = Bits(setup, "little", steps, start=len(_SETUP))
    for skip_one in (_skip_codebook, _skip_time, _skip_floor, _skip_residue):
        for _ in range(bits.take(8 if skip_one is _skip_codebook else 6) + 1):
            if bits.missing or not skip_one(bits):
                return None
    for _ in range(bits.take(6) + 1):
        if bits.missing or not _skip_mapping(bits, channels):
            return None
    modes = []
    for _ in range(bits.take(6) + 1):
        modes.append(bool(bits.take(1)))
        bits.skip(16 + 16 + 8)
    return modes if bits.take(1) and not bits.missing else None


def _skip_codebook(bits: Bits) -> bool:
    """Vorbis I, 3.2.1. Like the other skips, False if what is there is not valid."""
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
    """The greatest number whose power of `dimensions` is no more than `entries` (9.2.3)."""
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


def _skip_time(bits: Bits) -> bool:
    return bits.take(16) == 0


def _skip_floor(bits: Bits) -> bool:
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


def _skip_residue(bits: Bits) -> bool:
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


def _skip_mapping(bits: Bits, channels: int) -> bool:
    """Vorbis I, 4.2.4; a coupling step names two channels."""
    kind = bits.take(16)
    submaps = bits.take(4) + 1 if bits.take(1) else 1
    if bits.take(1):
        bits.skip((bits.take(8) + 1) * 2 * (channels - 1).bit_length())
    reserved = bits.take(2)
    bits.skip(4 * channels if submaps > 1 else 0)
    bits.skip(24 * submaps)
    return kind == 0 == reserved
