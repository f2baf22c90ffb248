"""MP4, M4A and QuickTime: boxes (ISO 14496-12). Samples are measured by their codec; durations are only claims."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isfinite

from . import aac
from .packets import NOWHERE, PacketTotals, Reader, Sound, ac3_packet, mpeg_packet, opus_packet
from .types import Audio, AudioError, Steps, big, in_milliseconds

# Each has some hundred bytes of state.
TRACKS_MAX = 64
# As many as tracks with sound, and some for others.
_DEFAULTS_MAX = 256
ALAC_SAMPLES_MAX = 1 << 24
_CONTAINERS = frozenset(b"moov trak mdia minf stbl mvex moof traf edts udta dinf tref wave".split())
_TABLES = frozenset((b"stsz", b"stz2", b"stsc", b"stco", b"co64"))
_VIDEO, _SOUND = b"vide", b"soun"

# Codecs whose samples are single values of so many bits; None: the sample entry gives the number.
_PCM: dict[bytes, int | None] = {
    b"ulaw": 8,
    b"alaw": 8,
    b"in24": 24,
    b"in32": 32,
    b"fl32": 32,
    b"fl64": 64,
    **dict.fromkeys((b"sowt", b"twos", b"raw ", b"NONE", b"lpcm", b"ipcm", b"fpcm")),
}
_READERS: dict[bytes, Reader] = {
    b".mp3": mpeg_packet,
    b".mp2": mpeg_packet,
    b"Opus": opus_packet,
    b"ac-3": ac3_packet,
    b"ec-3": ac3_packet,
}
_AAC, _ALAC = b"mp4a", b"alac"
# Players decode these codecs even in tracks that are not declared as sound.
_REFUSED = frozenset(
    b"samr sawb sawp sevc sqcp secb Qclp QDM2 QDMC MAC3 MAC6 ima4 agsm ilbc NELL nmos spex SPXN mlpa WMA2 fLaC ac-4 "
    b"sac3 .mp1 dtsc dtsh dtsl dtse dtsx mha1 mhm1 dvca vdva XiFL enca".split()
)
# Bytes of a sample entry of version 0, 1 and 2 before its own boxes.
_HEAD_BYTES = {0: 36, 1: 52, 2: 72}
# The boxes of a sample entry that are read: how many of them, how many bytes of each, and how deep `wave` may nest.
_INNER = frozenset((b"esds", b"glbl", b"alac", b"pcmC"))
_INNER_MAX, _INNER_BYTES_MAX, _DEPTH_MAX = 16, 4096, 4

# Flags of a fragment's header (`tfhd`) and of a run (`trun`).
_BASE_OFFSET, _DESCRIPTION, _DURATION, _SIZE, _BASE_IS_MOOF = 0x01, 0x02, 0x08, 0x10, 0x020000
_OFFSET, _FIRST_FLAGS = 0x01, 0x04
_OWN_DURATION, _OWN_SIZE, _OWN_OTHERS = 0x100, 0x200, (0x200, 0x400, 0x800)

_CODEC_UNKNOWN = "The sound in the MP4 file is of a kind that cannot be measured: send it in another format."
_ENTRY_UNKNOWN = "The MP4 file describes its sound in a way that is not supported."
Box = tuple[bytes, int, int]
"""Its type, and where its content begins and ends."""
Region = tuple[int, int]
"""Where a table's entries begin, and where its box ends."""
_NONE: Region = (0, 0)
_CHUNK_RUN_BYTES = 12


def measure(data: bytes, steps: Steps) -> Audio:
    """Measure the longest sound track. Raises AudioError."""
    fragment = Fragment()
    tracks, fragmented = _tracks(data, fragment, steps)
    sound = [track for track in tracks if track.is_sound and track.scale]
    if not sound:
        raise AudioError("The MP4 file contains no sound.")
    for track in sound:
        track.read_tables(data, steps)
    if fragmented:
        _read_fragments(sound, fragment, data, steps)
    found = (track.totals.audio("mp4", in_milliseconds(track.duration, track.scale)) for track in sound)
    return max(found, key=lambda audio: audio.milliseconds_max)


@dataclass(frozen=True, slots=True)
class SampleEntry:
    """The sample description of a track: its codec, and how its samples are read.

    `frame` is the size of a PCM sample in bytes, with all of its channels.
    """

    codec: bytes = b""
    rate: int = 0
    frame: int = 1
    reader: Reader | None = None

    @property
    def is_sound(self) -> bool:
        """True for codecs of sound, whatever the track declares."""
        return (
            self.codec in _PCM or self.reader is not None or self.codec in _REFUSED or self.codec[:2] in (b"ms", b"TS")
        )


@dataclass(slots=True)
class SampleTables:
    """The places of a track's samples (8.6 and 8.7), read in place.

    `size` is the size of every sample, or 0 if each has its own, of `compact` bits.
    """

    count: int = 0
    size: int = 0
    compact: int = 32
    sizes: Region = _NONE
    runs: Region = _NONE
    offsets: Region = _NONE
    offset_bytes: int = 4

    def take(self, kind: bytes, data: bytes, at: int, end: int) -> None:
        """Take in a `stsz`, `stz2`, `stsc`, `stco` or `co64` box. Raises AudioError for a second one of a kind."""
        number = big(data, at + 4, 4)
        if kind in (b"stsz", b"stz2"):
            known, self.sizes = self.sizes, (at + 12, end)
            self.count = big(data, at + 8, 4)
            self.size = number if kind == b"stsz" else 0
            self.compact = 32 if kind == b"stsz" else big(data, at + 7, 1)
        elif kind == b"stsc":
            known, self.runs = self.runs, (at + 8, min(end, at + 8 + _CHUNK_RUN_BYTES * number))
        else:
            self.offset_bytes = 8 if kind == b"co64" else 4
            known, self.offsets = self.offsets, (at + 8, min(end, at + 8 + self.offset_bytes * number))
        if known != _NONE:
            raise AudioError("The MP4 file lists the samples of a track twice.")

    @property
    def chunks(self) -> int:
        return max(0, (self.offsets[1] - self.offsets[0]) // self.offset_bytes)

    def chunked(self, data: bytes, steps: Steps) -> int:
        """Number of samples in all chunks; old players go by this alone."""
        total, runs = 0, self._run_count
        for number in range(runs):
            steps.take()
            first, count = self._run(data, number)
            after = self._run(data, number + 1)[0] if number + 1 < runs else self.chunks + 1
            total += count * max(0, after - first)
        return total

    def places(self, data: bytes, steps: Steps) -> Iterator[tuple[int, int]]:
        """Position and size of each sample, as far as the tables go."""
        number, run, runs = 0, 0, self._run_count
        for chunk in range(1, self.chunks + 1):
            steps.take()
            while run + 1 < runs and self._run(data, run + 1)[0] <= chunk:
                steps.take()
                run += 1
            at = big(data, self.offsets[0] + self.offset_bytes * (chunk - 1), self.offset_bytes)
            for _ in range(self._run(data, run)[1] if runs else 0):
                if number >= self.count:
                    return
                steps.take()
                size = self.size or self._size(data, number)
                yield at, size
                at, number = at + size, number + 1

    @property
    def _run_count(self) -> int:
        return max(0, (self.runs[1] - self.runs[0]) // _CHUNK_RUN_BYTES)

    def _run(self, data: bytes, number: int) -> tuple[int, int]:
        """The first chunk of a run of equal chunks, and how many samples each of them has."""
        at = self.runs[0] + _CHUNK_RUN_BYTES * number
        return big(data, at, 4), big(data, at + 4, 4)

    def _size(self, data: bytes, number: int) -> int:
        if self.compact == 4:
            pair = big(data, self.sizes[0] + number // 2, 1)
            return pair & 15 if number % 2 else pair >> 4
        width = self.compact // 8
        return big(data, self.sizes[0] + width * number, width)


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive samples of a fragment; `start` is NOWHERE if players do not agree where they are.

    `size` and `duration` are for samples that state none in their entry. Entries of `step` bytes begin at `entries`.
    """

    count: int
    start: int
    flags: int
    entries: int
    step: int
    size: int
    duration: int

    def samples(self, data: bytes) -> Iterator[tuple[int, int, int]]:
        """Position, size and duration of each sample."""
        at, entry = self.start, self.entries
        for _ in range(self.count):
            duration = big(data, entry, 4) if self.flags & _OWN_DURATION else self.duration
            sized = entry + 4 * bool(self.flags & _OWN_DURATION)
            size = big(data, sized, 4) if self.flags & _OWN_SIZE else self.size
            yield at, size, duration
            at, entry = at if at == NOWHERE else at + size, entry + self.step


class Fragment:
    """The boxes that describe the next samples in a file written while it was recorded (8.8)."""

    def __init__(self) -> None:
        self._defaults: dict[int, tuple[int, int]] = {}
        self._moof = self._heads = self.track = self._duration = self._size = 0
        self._base = NOWHERE

    def default(self, data: bytes, at: int) -> None:
        """Take in a `trex` box."""
        if len(self._defaults) == _DEFAULTS_MAX:
            raise AudioError("The MP4 file has too many tracks.")
        self._defaults[big(data, at + 4, 4)] = big(data, at + 12, 4), big(data, at + 16, 4)

    def begin(self, at: int) -> None:
        """Take in a `moof` box, which begins at `at`."""
        self._moof, self._heads = at, 0

    def head(self, data: bytes, at: int) -> None:
        """Take in a `tfhd` box."""
        flags = big(data, at + 1, 3)
        self.track = big(data, at + 4, 4)
        self._duration, self._size = self._defaults.get(self.track, (0, 0))
        self._heads += 1
        # Where nothing is stated, some players let the samples of a second track begin where those of the first end.
        self._base = self._moof if flags & _BASE_IS_MOOF or self._heads == 1 else NOWHERE
        at += 8
        if flags & _BASE_OFFSET:
            self._base, at = big(data, at, 8), at + 8
        at += 4 if flags & _DESCRIPTION else 0
        if flags & _DURATION:
            self._duration, at = big(data, at, 4), at + 4
        if flags & _SIZE:
            self._size = big(data, at, 4)

    def run(self, data: bytes, at: int, end: int) -> Run:
        """Read a `trun` box."""
        flags, count = big(data, at + 1, 3), big(data, at + 4, 4)
        known = flags & _OFFSET and self._base != NOWHERE
        start = self._base + int.from_bytes(data[at + 8 : at + 12], "big", signed=True) if known else NOWHERE
        entries = at + 8 + (4 if flags & _OFFSET else 0) + (4 if flags & _FIRST_FLAGS else 0)
        step = 4 * bool(flags & _OWN_DURATION) + 4 * sum(bool(flags & other) for other in _OWN_OTHERS)
        count = max(0, min(count, (end - entries) // step)) if step else count
        return Run(count, max(start, NOWHERE), flags, entries, step, self._size, self._duration)


@dataclass(slots=True)
class Mp4Track:
    """A track. Its durations are in units of which a second has `scale`."""

    id: int = 0
    scale: int = 0
    says_video: bool = False
    says_sound: bool = False
    entry: SampleEntry = field(default_factory=SampleEntry)
    tables: SampleTables = field(default_factory=SampleTables)
    samples: int = 0
    duration: int = 0
    totals: PacketTotals = field(default_factory=PacketTotals)

    @property
    def is_sound(self) -> bool:
        return self.says_sound or (self.entry.is_sound and not self.says_video)

    def describe(self, kind: bytes, data: bytes, at: int, end: int, steps: Steps) -> None:
        """Take in one of the track's boxes. Raises AudioError for what decoders may understand differently."""
        long = big(data, at, 1) == 1
        if kind == b"tkhd":
            self.id = big(data, at + (20 if long else 12), 4)
        elif kind == b"mdhd":
            self.scale = big(data, at + (20 if long else 12), 4)
        elif kind == b"hdlr":
            handler = data[at + 8 : at + 12]
            self.says_video |= handler == _VIDEO
            self.says_sound |= handler == _SOUND
        elif kind == b"stsd":
            if self.entry.codec:
                raise AudioError("The MP4 file describes the sound of a track twice.")
            self.entry = _sample_entry(data, at, end, steps)
        elif kind in _TABLES:
            self.tables.take(kind, data, at, end)
        elif kind == b"stts":
            for entry in range(at + 8, at + 8 + 8 * min(big(data, at + 4, 4), max(0, (end - at - 8) // 8)), 8):
                steps.take()
                count = big(data, entry, 4)
                self.samples += count
                self.duration += count * big(data, entry + 4, 4)

    def read_tables(self, data: bytes, steps: Steps) -> None:
        """Add the samples that are not in fragments."""
        counted = max(self.samples, self.tables.count, self.tables.chunked(data, steps))
        if not counted:
            return
        reader = self._reader()
        if self.entry.codec in _PCM and self.tables.size:
            # Usually a sample is a single value, and all have the same size.
            self.totals.add(reader(data, 0, self.tables.size), counted)
            return
        for at, size in self.tables.places(data, steps):
            self.totals.read(reader, data, at, size)
        if self.totals.packets < counted:
            self.totals.add(reader(data, NOWHERE, 0), counted - self.totals.packets)

    def read_run(self, run: Run, data: bytes, steps: Steps) -> None:
        """Add samples of a fragment."""
        reader = self._reader()
        for at, size, duration in run.samples(data):
            steps.take()
            self.totals.read(reader, data, at, size)
            self.duration += duration

    def _reader(self) -> Reader:
        """Raises AudioError if the codec cannot be measured."""
        if self.entry.codec in _PCM:
            return _pcm_reader(self.entry.frame, self.entry.rate or self.scale)
        if self.entry.reader is None:
            raise AudioError(_CODEC_UNKNOWN)
        return self.entry.reader


def _tracks(data: bytes, fragment: Fragment, steps: Steps) -> tuple[list[Mp4Track], bool]:
    """All tracks, and whether there are fragments, which are read once all tracks are known."""
    tracks: list[Mp4Track] = []
    fragmented = False
    for kind, at, end in _boxes(data, steps):
        if kind == b"trak":
            if len(tracks) == TRACKS_MAX:
                raise AudioError(f"The MP4 file has more than {TRACKS_MAX} tracks.")
            tracks.append(Mp4Track())
        elif kind == b"cmov":
            raise AudioError("The MP4 file's index is compressed: save it without compression.")
        elif kind == b"trex":
            fragment.default(data, at)
        elif tracks:
            tracks[-1].describe(kind, data, at, end, steps)
        fragmented = fragmented or kind == b"moof"
    return tracks, fragmented


def _read_fragments(sound: list[Mp4Track], fragment: Fragment, data: bytes, steps: Steps) -> None:
    for kind, at, end in _boxes(data, steps):
        if kind == b"moof":
            fragment.begin(at - 8)
        elif kind == b"tfhd":
            fragment.head(data, at)
        elif kind == b"trun":
            run = fragment.run(data, at, end)
            for track in sound:
                steps.take()
                if track.id == fragment.track:
                    track.read_run(run, data, steps)


def _boxes(data: bytes, steps: Steps) -> Iterator[Box]:
    """All boxes in the order of the file; containers are entered, everything else is stepped over."""
    at = 0
    while at + 8 <= len(data):
        steps.take()
        size, kind, head = big(data, at, 4), data[at + 4 : at + 8], 8
        if size == 1:
            size, head = big(data, at + 8, 8), 16
        elif size == 0:
            # At the top it stands for the rest of the file; some containers end with four zeros.
            size = len(data) - at if kind == b"mdat" else 4
        if size < 4:
            return
        yield kind, at + head, min(at + size, len(data))
        at += head if kind in _CONTAINERS else size


def _sample_entry(data: bytes, at: int, end: int, steps: Steps) -> SampleEntry:
    """Read a `stsd` box from its version on (8.5.2). Raises AudioError for what is not supported."""
    codec, begin = data[at + 12 : at + 16], at + 8
    head = _HEAD_BYTES.get(big(data, at + 24, 2))
    if codec not in (_AAC, _ALAC) and codec not in _PCM and codec not in _READERS:
        return SampleEntry(codec)
    if head is None or big(data, at + 4, 4) != 1:
        raise AudioError(_ENTRY_UNKNOWN)
    rate = _rate(data, begin, head)
    inner = list(_inner_boxes(data, begin + head, min(end, begin + big(data, begin, 4)), steps))
    if codec == _AAC:
        return SampleEntry(codec, rate, reader=_aac_reader(inner, rate, steps))
    if codec == _ALAC:
        return SampleEntry(codec, rate, reader=_alac_reader(inner, rate))
    if codec in _PCM:
        return SampleEntry(codec, rate, _frame_bytes(data, begin, head, _PCM[codec] or _pcm_bits(inner)))
    return SampleEntry(codec, rate, reader=_READERS[codec])


def _rate(data: bytes, begin: int, head: int) -> int:
    if head < _HEAD_BYTES[2]:
        return big(data, begin + 32, 2)
    value: float = struct.unpack(">d", data[begin + 40 : begin + 48].ljust(8, b"\x00"))[0]
    return int(value) if isfinite(value) and 0 < value < 1e9 else 0


def _inner_boxes(data: bytes, at: int, end: int, steps: Steps) -> Iterator[tuple[bytes, bytes]]:
    """Type and content of the boxes of use in a sample entry and in QuickTime's `wave`."""
    found, ends = 0, [end]
    while ends:
        steps.take()
        size, kind = big(data, at, 4), data[at + 4 : at + 8]
        if at + 8 > ends[-1] or size < 8:
            at = ends.pop()
            continue
        after = min(ends[-1], at + size)
        if kind == b"wave":
            if len(ends) > _DEPTH_MAX:
                raise AudioError(_ENTRY_UNKNOWN)
            ends.append(after)
            at += 8
            continue
        if kind in _INNER:
            found += 1
            if found > _INNER_MAX:
                raise AudioError(_ENTRY_UNKNOWN)
            yield kind, data[at + 8 : min(after, at + 8 + _INNER_BYTES_MAX)]
        at = after


def _aac_reader(inner: list[tuple[bytes, bytes]], rate: int, steps: Steps) -> Reader:
    """Decoders take the rate from their own config; where that is missing, the lowest rate counts."""
    own = [content for kind, content in inner if kind == b"esds"]
    if len(own) != 1 or any(kind == b"glbl" for kind, _ in inner):
        return aac.reader(None, rate, steps)
    return mpeg_packet if aac.is_mpeg(own[0]) else aac.reader(aac.specific(own[0]), rate, steps)


def _alac_reader(inner: list[tuple[bytes, bytes]], rate: int) -> Reader:
    """The cookie gives the length of frames; the lowest rate stated anywhere counts."""
    cookies = [content for kind, content in inner if kind == _ALAC and len(content) >= 28]
    samples = max((big(cookie, 4, 4) for cookie in cookies), default=0)
    lowest = min((known for known in (rate, *(big(cookie, 24, 4) for cookie in cookies)) if known), default=0)
    if not 0 < samples <= ALAC_SAMPLES_MAX or not lowest:
        raise AudioError("The MP4 file does not state the frame length of its lossless sound.")
    sound: Sound = (samples, lowest, True)
    return lambda data, at, size: sound


def _pcm_reader(frame: int, rate: int) -> Reader:
    def read(data: bytes, at: int, size: int) -> Sound:
        return max(1, -(-size // frame)), rate, True

    return read


def _frame_bytes(data: bytes, begin: int, head: int, bits: int | None) -> int:
    channels, own = big(data, begin + 24, 2), big(data, begin + 26, 2)
    if head == _HEAD_BYTES[2]:
        channels, own = big(data, begin + 48, 4), big(data, begin + 56, 4)
    if head == _HEAD_BYTES[1] and big(data, begin + 36, 4) > 1:
        raise AudioError("The MP4 file packs its samples in a way that is not supported.")
    return max(1, channels * ((bits or own) // 8))


def _pcm_bits(inner: list[tuple[bytes, bytes]]) -> int | None:
    """Bits of a value by ISO 23003-5."""
    return next((content[5] for kind, content in inner if kind == b"pcmC" and len(content) > 5), None)
