"""WebM and Matroska: elements (RFC 9559). Blocks carry frames, measured by their codec; timestamps are only claims."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isfinite

from . import aac
from .ogg import vorbis_reader
from .packets import PacketTotals, Reader, Sound, ac3_packet, mpeg_packet, opus_packet
from .types import Audio, AudioError, Steps, big

TRACK_ENTRY, TRACK_NUMBER, TRACK_TYPE, CODEC, PRIVATE, ENCODINGS = 0xAE, 0xD7, 0x83, 0x86, 0x63A2, 0x6D80
FREQUENCY, FREQUENCY_OUT, CHANNELS, BITS = 0xB5, 0x78B5, 0x9F, 0x6264
TIME_SCALE, DURATION, CLUSTER_TIME, SIMPLE_BLOCK, BLOCK = 0x2AD7B1, 0x4489, 0xE7, 0xA3, 0xA1
CLUSTER = b"\x1f\x43\xb6\x75"
# Segment, Info, Tracks, TrackEntry, Audio, Cluster, BlockGroup.
_CONTAINERS = frozenset({0x18538067, 0x1549A966, 0x1654AE6B, TRACK_ENTRY, 0xE1, 0x1F43B675, 0xA0})
_OF_TRACKS = frozenset({TRACK_NUMBER, TRACK_TYPE, CHANNELS, BITS, CODEC, PRIVATE, ENCODINGS, FREQUENCY, FREQUENCY_OUT})
# Every block searches the tracks for its own.
TRACKS_MAX = 64
NANOSECONDS_PER_MS = 10**6
LACED = 0x06
_XIPH, _FIXED = 1, 2
_BROKEN = "The WebM file is broken."
SOUND = 2
# Hertz, where a track states none.
RATE_DEFAULT = 8000
_AAC, _VORBIS = b"A_AAC", b"A_VORBIS"
_READERS: dict[bytes, Reader] = {
    b"A_OPUS": opus_packet,
    b"A_MPEG/L3": mpeg_packet,
    b"A_MPEG/L2": mpeg_packet,
    b"A_AC3": ac3_packet,
    b"A_EAC3": ac3_packet,
}
_PCM = {
    **dict.fromkeys((b"A_PCM/INT/LIT", b"A_PCM/INT/BIG"), frozenset({8, 16, 24, 32})),
    b"A_PCM/FLOAT/IEEE": frozenset({32, 64}),
}
Element = tuple[int, int, int]
"""Id, beginning and end of the content."""
Frame = tuple[int, int]
"""Position and size in bytes."""


def measure(data: bytes, steps: Steps) -> Audio:
    """Measure the longest sound track. Raises AudioError."""
    file, seen = MatroskaFile(), _Positions(len(data))
    _read(file, data, 0, seen, steps)
    _read_hidden(file, data, seen, steps)
    measured = [track.totals.audio("webm", _claim(file, track)) for track in file.tracks if track.totals.packets]
    if not measured:
        raise AudioError("The WebM file contains no sound.")
    return max(measured, key=lambda found: found.milliseconds_max)


@dataclass(slots=True)
class MatroskaTrack:
    """A track. `ends` is the timestamp of its last block in the file's units, and `private` where its CodecPrivate is.

    Of a value that comes twice the lowest counts: more sound fits into the same bytes.
    """

    number: int = 0
    kind: int = 0
    codec: bytes = b""
    rate: int | None = None
    channels: int | None = None
    bits: int | None = None
    private: tuple[int, int] | None = None
    ends: int = 0
    totals: PacketTotals = field(default_factory=PacketTotals)
    reader: Reader | None = None

    def describe(self, element: int, data: bytes, at: int, end: int) -> None:
        """Take in an element. Raises AudioError for one that decoders may understand differently."""
        number = big(data, at, min(8, end - at))
        if element == TRACK_NUMBER:
            self.number = number
        elif element == TRACK_TYPE:
            self.kind = number
        elif element == CHANNELS:
            self.channels = number if self.channels is None else min(self.channels, number)
        elif element == BITS:
            self.bits = number if self.bits is None else min(self.bits, number)
        elif element in (FREQUENCY, FREQUENCY_OUT):
            rate = int(_real(data, at, end))
            self.rate = rate if self.rate is None else min(self.rate, rate)
        elif element == ENCODINGS:
            raise AudioError("The WebM file's tracks are compressed or encrypted: send it without that.")
        elif self.reader or (self.codec if element == CODEC else self.private):
            raise AudioError("The WebM file describes a track twice.")
        elif element == CODEC:
            self.codec = data[at : min(end, at + 32)].rstrip(b"\x00")
        else:
            self.private = at, end

    def take(self, data: bytes, at: int, size: int, steps: Steps) -> None:
        """Add a frame. Raises AudioError if the track's codec cannot be measured."""
        if self.reader is None:
            self.reader = self._codec_reader(data, steps)
        if size > 0:
            self.totals.read(self.reader, data, at, size)

    def _codec_reader(self, data: bytes, steps: Steps) -> Reader:
        rate = max(1, RATE_DEFAULT if self.rate is None else self.rate)
        if self.codec in _READERS:
            return _READERS[self.codec]
        if self.codec.startswith(_AAC):
            at, end = self.private or (0, 0)
            return aac.reader(data[at : min(end, at + aac.CONFIG_BYTES)] if self.private else None, rate, steps)
        if self.codec == _VORBIS:
            return vorbis_reader(data, *(self.private or (0, 0)), steps)
        if self.codec in _PCM:
            return self._values(rate)
        raise AudioError("The sound in the WebM file is of a kind that cannot be measured: send it in another format.")

    def _values(self, rate: int) -> Reader:
        """A reader of PCM. Decoders agree on these sizes of values; for any other they choose their own."""
        known = self.bits in _PCM[self.codec]
        channels = max(1, 1 if self.channels is None else self.channels)
        frame = channels * (self.bits or 8) // 8 if known else 1

        def read(data: bytes, at: int, size: int) -> Sound:
            return -(-size // frame), rate, known

        return read


@dataclass(slots=True)
class MatroskaFile:
    tracks: list[MatroskaTrack] = field(default_factory=list)
    scale: int = NANOSECONDS_PER_MS
    duration: float = 0.0
    cluster: int = 0


class _Positions:
    """A set of positions in a file that takes an eighth of its size."""

    def __init__(self, size: int) -> None:
        self._bits = bytearray(size // 8 + 1)

    def __contains__(self, at: int) -> bool:
        return bool(self._bits[at >> 3] >> (at & 7) & 1)

    def add(self, at: int) -> None:
        self._bits[at >> 3] |= 1 << (at & 7)


def _claim(file: MatroskaFile, track: MatroskaTrack) -> int:
    """Milliseconds, by the timestamps and the duration that the file states."""
    return -(-max(int(file.duration), track.ends) * file.scale // NANOSECONDS_PER_MS)


def _read_hidden(file: MatroskaFile, data: bytes, seen: _Positions, steps: Steps) -> None:
    """Read the clusters that the walk stepped over: players look for the next one behind anything unknown to them."""
    at = data.find(CLUSTER)
    while at >= 0:
        steps.take()
        if at not in seen:
            _read(file, data, at, seen, steps)
        at = data.find(CLUSTER, at + 1)


def _read(file: MatroskaFile, data: bytes, at: int, seen: _Positions, steps: Steps) -> None:
    for element, begin, end in _elements(data, at, seen, steps):
        if element in (SIMPLE_BLOCK, BLOCK):
            _read_block(file, data, begin, end, steps)
        elif element == TRACK_ENTRY:
            if len(file.tracks) == TRACKS_MAX:
                raise AudioError(f"The WebM file has more than {TRACKS_MAX} tracks.")
            file.tracks.append(MatroskaTrack())
        elif element in _OF_TRACKS and file.tracks:
            file.tracks[-1].describe(element, data, begin, end)
        elif element == TIME_SCALE:
            file.scale = big(data, begin, min(8, end - begin))
        elif element == DURATION:
            file.duration = _real(data, begin, end)
        elif element == CLUSTER_TIME:
            file.cluster = big(data, begin, min(8, end - begin))


def _read_block(file: MatroskaFile, data: bytes, at: int, end: int, steps: Steps) -> None:
    number, width = _vint(data, at)
    for track in file.tracks:
        if track.number == number and track.kind == SOUND:
            break
    else:
        return
    if not width or at + width + 3 >= end:
        return
    flags, content = data[at + width + 2], at + width + 3
    if not flags & LACED:
        track.take(data, content, end - content, steps)
    else:
        for begin, size in _frames(data, flags, content, end, steps):
            track.take(data, begin, size, steps)
    offset = int.from_bytes(data[at + width : at + width + 2], "big", signed=True)
    track.ends = max(track.ends, file.cluster + offset)


def _elements(data: bytes, at: int, seen: _Positions, steps: Steps) -> Iterator[Element]:
    """In the order of the file up to a cluster seen before; containers are entered, the rest is stepped over."""
    while at < len(data):
        steps.take()
        width = 9 - data[at].bit_length()
        size, size_width = _vint(data, at + width)
        if width > 4 or not size_width:
            return
        if data[at] == CLUSTER[0]:
            if at in seen:
                return
            seen.add(at)
        element, begin = data[at] if width == 1 else big(data, at, width), at + width + size_width
        yield element, begin, min(begin + size, len(data))
        at = begin if element in _CONTAINERS else begin + size


def _real(data: bytes, at: int, end: int) -> float:
    """A floating point number; 0.0 if it cannot be a duration or a rate."""
    if end - at not in (4, 8):
        return 0.0
    value: float = struct.unpack(">f" if end - at == 4 else ">d", data[at:end])[0]
    return value if isfinite(value) and 0 < value < 1e12 else 0.0


def _vint(data: bytes, at: int) -> tuple[int, int]:
    """A number whose first byte tells its width, and that width in bytes; a width of 0 if there is none."""
    if at >= len(data) or not data[at]:
        return 0, 0
    width = 9 - data[at].bit_length()
    return int.from_bytes(data[at : at + width], "big") & ((1 << 7 * width) - 1), width


def _frames(data: bytes, flags: int, at: int, end: int, steps: Steps) -> Iterator[Frame]:
    """The frames of a block whose flags say that it is laced (10.3). Raises AudioError for sizes that do not fit."""
    kind, count = (flags & LACED) >> 1, data[at] + 1
    steps.take(count)
    at, sizes = (at + 1, []) if kind == _FIXED else _sizes(data, at + 1, end, count - 1, kind, steps)
    left = end - at - sum(sizes)
    if left < 0 or any(size < 0 for size in sizes):
        raise AudioError(_BROKEN)
    # Where sizes differ, that of the last frame is not written.
    for size in [left // count] * count if kind == _FIXED else [*sizes, left]:
        yield at, size
        at += size


def _sizes(data: bytes, at: int, end: int, count: int, kind: int, steps: Steps) -> tuple[int, list[int]]:
    sizes: list[int] = []
    for _ in range(count):
        if kind == _XIPH:
            size, at = _xiph(data, at, end, steps)
        else:
            number, width = _vint(data, at)
            if not width:
                raise AudioError(_BROKEN)
            # All but the first are differences, shifted so that they are never negative.
            size = sizes[-1] + number - ((1 << 7 * width - 1) - 1) if sizes else number
            at += width
        sizes.append(size)
    return at, sizes


def _xiph(data: bytes, at: int, end: int, steps: Steps) -> tuple[int, int]:
    size = 0
    while at < end and data[at] == 255:
        steps.take()
        size, at = size + 255, at + 1
    return size + big(data, at, 1), at + 1
