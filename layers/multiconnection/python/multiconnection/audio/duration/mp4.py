"""MP4 and M4A: boxes. A sound track's samples have durations; the codec knows how much sound a sample is."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isfinite

from . import aac
from .packets import NOWHERE, Heard, Reader, Sound, ac3_packet, mpeg_packet, opus_packet
from .types import Audio, AudioError, Steps, big, in_milliseconds

_CONTAINERS = frozenset(
    (
        b"moov",
        b"trak",
        b"mdia",
        b"minf",
        b"stbl",
        b"mvex",
        b"moof",
        b"traf",
        b"edts",
        b"udta",
        b"dinf",
        b"tref",
        b"wave",
    )
)
_TABLES = frozenset((b"stsz", b"stz2", b"stsc", b"stco", b"co64"))
_FILM, _SOUND = b"vide", b"soun"
# Each has some hundred bytes of state.
TRACKS_MAX = 64
Box = tuple[bytes, int, int]
"""Its type, where its content begins, and where it ends."""


# The sample description of an MP4 track (`stsd`): which codec it is, and how its samples are read.


@dataclass(frozen=True, slots=True)
class Entry:
    """`frame` is the bytes of one value in all channels, of PCM."""

    codec: bytes = b""
    rate: int = 0
    frame: int = 1
    reader: Reader | None = None

    @property
    def is_heard(self) -> bool:
        return self.codec in PCM or self.reader is not None

    @property
    def is_sound(self) -> bool:
        """By its codec, whatever the track says."""
        return self.is_heard or self.codec in _REFUSED or self.codec[:2] in (b"ms", b"TS")


# Where the samples of an MP4 track are: by its tables (ISO 14496-12, 8.6 and 8.7) and in fragments (8.8).

Region = tuple[int, int]
"""Where a table's entries begin, and where its box ends."""
_NONE: Region = (0, 0)


@dataclass(slots=True)
class Tables:
    """Read where they are in the file. `compact` is the bits of a size in `stz2`, `size` the one of all samples."""

    count: int = 0
    size: int = 0
    compact: int = 32
    sizes: Region = _NONE
    runs: Region = _NONE
    offsets: Region = _NONE
    offset_bytes: int = 4

    def take(self, kind: bytes, data: bytes, at: int, end: int) -> None:
        """A `stsz`, `stz2`, `stsc`, `stco` or `co64` box; raises AudioError for a second one of a kind."""
        number = big(data, at + 4, 4)
        if kind in (b"stsz", b"stz2"):
            known, self.sizes = self.sizes, (at + 12, end)
            self.count = big(data, at + 8, 4)
            self.size = number if kind == b"stsz" else 0
            self.compact = 32 if kind == b"stsz" else big(data, at + 7, 1)
        elif kind == b"stsc":
            known, self.runs = self.runs, (at + 8, min(end, at + 8 + _RUN_BYTES * number))
        else:
            self.offset_bytes = 8 if kind == b"co64" else 4
            known, self.offsets = self.offsets, (at + 8, min(end, at + 8 + self.offset_bytes * number))
        if known != _NONE:
            raise AudioError("The MP4 file says twice where its samples are.")

    @property
    def chunks(self) -> int:
        return max(0, (self.offsets[1] - self.offsets[0]) // self.offset_bytes)

    def chunked(self, data: bytes, steps: Steps) -> int:
        """Samples in all chunks: old players go by this alone."""
        total, runs = 0, self._run_count
        for number in range(runs):
            steps.take()
            first, count = self._run(data, number)
            after = self._run(data, number + 1)[0] if number + 1 < runs else self.chunks + 1
            total += count * max(0, after - first)
        return total

    def places(self, data: bytes, steps: Steps) -> Iterator[tuple[int, int]]:
        """Where each sample begins, and how many bytes it has, as far as the tables go."""
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
        return max(0, (self.runs[1] - self.runs[0]) // _RUN_BYTES)

    def _run(self, data: bytes, number: int) -> tuple[int, int]:
        """The first chunk, and how many samples each of them has."""
        at = self.runs[0] + _RUN_BYTES * number
        return big(data, at, 4), big(data, at + 4, 4)

    def _size(self, data: bytes, number: int) -> int:
        if self.compact == 4:
            pair = big(data, self.sizes[0] + number // 2, 1)
            return pair & 15 if number % 2 else pair >> 4
        width = self.compact // 8
        return big(data, self.sizes[0] + width * number, width)


@dataclass(frozen=True, slots=True)
class Run:
    """Samples one after the other; `start` is NOWHERE if players do not agree where.

    What they do not say themselves, in entries of `step` bytes from `entries` on, is `size` and `duration`.
    """

    count: int
    start: int
    flags: int
    entries: int
    step: int
    size: int
    duration: int

    def samples(self, data: bytes) -> Iterator[tuple[int, int, int]]:
        """Where each begins, how many bytes it has, and its duration."""
        at, entry = self.start, self.entries
        for _ in range(self.count):
            duration = big(data, entry, 4) if self.flags & _OWN_DURATION else self.duration
            sized = entry + 4 * bool(self.flags & _OWN_DURATION)
            size = big(data, sized, 4) if self.flags & _OWN_SIZE else self.size
            yield at, size, duration
            at, entry = at if at == NOWHERE else at + size, entry + self.step


@dataclass(slots=True)
class Track:
    """Times are in units of which a second has `scale`."""

    id: int = 0
    scale: int = 0
    says_film: bool = False
    says_sound: bool = False
    entry: Entry = field(default_factory=Entry)
    tables: Tables = field(default_factory=Tables)
    samples: int = 0
    duration: int = 0
    heard: Heard = field(default_factory=Heard)

    @property
    def is_sound(self) -> bool:
        return self.says_sound or (self.entry.is_sound and not self.says_film)

    def describe(self, kind: bytes, data: bytes, at: int, end: int, steps: Steps) -> None:
        """One of its boxes; raises AudioError for what decoders may understand otherwise."""
        long = big(data, at, 1) == 1
        if kind == b"tkhd":
            self.id = big(data, at + (20 if long else 12), 4)
        elif kind == b"mdhd":
            self.scale = big(data, at + (20 if long else 12), 4)
        elif kind == b"hdlr":
            handler = data[at + 8 : at + 12]
            self.says_film, self.says_sound = self.says_film or handler == _FILM, self.says_sound or handler == _SOUND
        elif kind == b"stsd":
            if self.entry.codec:
                raise AudioError("The MP4 file describes its sound twice.")
            self.entry = parse(data, at, end, steps)
        elif kind in _TABLES:
            self.tables.take(kind, data, at, end)
        elif kind == b"stts":
            for entry in range(at + 8, at + 8 + 8 * min(big(data, at + 4, 4), max(0, (end - at - 8) // 8)), 8):
                steps.take()
                count = big(data, entry, 4)
                self.samples += count
                self.duration += count * big(data, entry + 4, 4)

    def reader(self) -> Reader:
        """Raises AudioError if there is none."""
        if self.entry.codec in PCM:
            return _values(self.entry.frame, self.entry.rate or self.scale)
        if self.entry.reader is None:
            raise AudioError(
                "The sound in the MP4 file is of a kind that cannot be measured: send it in another format."
            )
        return self.entry.reader

    def read_tables(self, data: bytes, steps: Steps) -> None:
        """The samples that are not in fragments."""
        counted = max(self.samples, self.tables.count, self.tables.chunked(data, steps))
        if not counted:
            return
        reader = self.reader()
        if self.entry.codec in PCM and self.tables.size:
            # Most files say that a sample is one value, and of which size all are.
            self.heard.add(reader(data, 0, self.tables.size), counted)
            return
        for at, size in self.tables.places(data, steps):
            self.heard.read(reader, data, at, size)
        if self.heard.packets < counted:
            self.heard.add(reader(data, NOWHERE, 0), counted - self.heard.packets)

    def read_run(self, run: Run, data: bytes, steps: Steps) -> None:
        """Samples of a fragment."""
        reader = self.reader()
        for at, size, duration in run.samples(data):
            steps.take()
            self.heard.read(reader, data, at, size)
            self.duration += duration


def measure(data: bytes, steps: Steps) -> Audio:
    """The longest sound track. Raises AudioError."""
    fragment = Fragment()
    tracks, fragmented = _tracks(data, fragment, steps)
    heard = [track for track in tracks if track.is_sound and track.scale]
    if not heard:
        raise AudioError("The MP4 file has no sound in it.")
    for track in heard:
        track.read_tables(data, steps)
    if fragmented:
        _read_fragments(heard, fragment, data, steps)
    found = (track.heard.audio("mp4", in_milliseconds(track.duration, track.scale)) for track in heard)
    return max(found, key=lambda audio: audio.milliseconds_max)


class Fragment:
    """What the boxes of a file that was written while it was recorded say of the samples that come next."""

    def __init__(self) -> None:
        self._defaults: dict[int, tuple[int, int]] = {}
        self._moof = self._heads = self.track = self._duration = self._size = 0
        self._base = NOWHERE

    def default(self, data: bytes, at: int) -> None:
        """A `trex` box."""
        if len(self._defaults) == _DEFAULTS_MAX:
            raise AudioError("The MP4 file has too many tracks.")
        self._defaults[big(data, at + 4, 4)] = big(data, at + 12, 4), big(data, at + 16, 4)

    def begin(self, at: int) -> None:
        """A `moof` box, from its size on."""
        self._moof, self._heads = at, 0

    def head(self, data: bytes, at: int) -> None:
        """A `tfhd` box."""
        flags = big(data, at + 1, 3)
        self.track = big(data, at + 4, 4)
        self._duration, self._size = self._defaults.get(self.track, (0, 0))
        self._heads += 1
        # Without a word on it the samples of a second track begin where the first one's end, as some have it.
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
        """A `trun` box."""
        flags, count = big(data, at + 1, 3), big(data, at + 4, 4)
        known = flags & _OFFSET and self._base != NOWHERE
        start = self._base + int.from_bytes(data[at + 8 : at + 12], "big", signed=True) if known else NOWHERE
        entries = at + 8 + (4 if flags & _OFFSET else 0) + (4 if flags & _FIRST_FLAGS else 0)
        step = 4 * bool(flags & _OWN_DURATION) + 4 * sum(bool(flags & other) for other in _OWN_OTHERS)
        count = max(0, min(count, (end - entries) // step)) if step else count
        return Run(count, max(start, NOWHERE), flags, entries, step, self._size, self._duration)


def _tracks(data: bytes, fragment: Fragment, steps: Steps) -> tuple[list[Track], bool]:
    """And whether there are fragments: they are read once all tracks are known."""
    tracks: list[Track] = []
    fragmented = False
    for kind, at, end in _boxes(data, steps):
        if kind == b"trak":
            if len(tracks) == TRACKS_MAX:
                raise AudioError(f"The MP4 file has more than {TRACKS_MAX} tracks.")
            tracks.append(Track())
        elif kind == b"cmov":
            raise AudioError("The MP4 file's index is compressed: write it anew.")
        elif kind == b"trex":
            fragment.default(data, at)
        elif tracks:
            tracks[-1].describe(kind, data, at, end, steps)
        fragmented = fragmented or kind == b"moof"
    return tracks, fragmented


def _read_fragments(heard: list[Track], fragment: Fragment, data: bytes, steps: Steps) -> None:
    for kind, at, end in _boxes(data, steps):
        if kind == b"moof":
            fragment.begin(at - 8)
        elif kind == b"tfhd":
            fragment.head(data, at)
        elif kind == b"trun":
            run = fragment.run(data, at, end)
            for track in heard:
                steps.take()
                if track.id == fragment.track:
                    track.read_run(run, data, steps)


def _boxes(data: bytes, steps: Steps) -> Iterator[Box]:
    """All of them in the order of the file; containers are entered, everything else is stepped over."""
    at = 0
    while at + 8 <= len(data):
        steps.take()
        size, kind, head = big(data, at, 4), data[at + 4 : at + 8], 8
        if size == 1:
            size, head = big(data, at + 8, 8), 16
        elif size == 0:
            # Outside of containers it is the rest of the file; inside some end with four zeros.
            size = len(data) - at if kind == b"mdat" else 4
        if size < 4:
            return
        yield kind, at + head, min(at + size, len(data))
        at += head if kind in _CONTAINERS else size


def _values(frame: int, rate: int) -> Reader:
    def read(data: bytes, at: int, size: int) -> Sound:
        return max(1, -(-size // frame)), rate, True

    return read


# Samples are single values here, of so many bits; None: the entry says how many.
_BITS = {b"ulaw": 8, b"alaw": 8, b"in24": 24, b"in32": 32, b"fl32": 32, b"fl64": 64}
PCM: dict[bytes, int | None] = {
    **_BITS,
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
# Of other codecs: players hear them even in tracks that do not say that they are sound.
_REFUSED = frozenset(
    b"samr sawb sawp sevc sqcp secb Qclp QDM2 QDMC MAC3 MAC6 ima4 agsm ilbc NELL nmos spex SPXN mlpa WMA2 fLaC ac-4 "
    b"sac3 .mp1 dtsc dtsh dtsl dtse dtsx mha1 mhm1 dvca vdva XiFL enca".split()
)
ALAC_SAMPLES_MAX = 1 << 24
_HEAD_BYTES = {0: 36, 1: 52, 2: 72}
# Of the boxes inside of an entry: how many may be of use, the bytes of one that are read, and how deep `wave` may go.
_INNER = frozenset((b"esds", b"glbl", b"alac", b"pcmC"))
_INNER_MAX, _INNER_BYTES_MAX, _DEPTH_MAX = 16, 4096, 4
_NOT_UNDERSTOOD = "The MP4 file describes its sound in a way that is not understood."


def parse(data: bytes, at: int, end: int, steps: Steps) -> Entry:
    """Of a `stsd` box from its version on (ISO 14496-12, 8.5.2). Raises AudioError for what is not understood."""
    codec, begin = data[at + 12 : at + 16], at + 8
    head = _HEAD_BYTES.get(big(data, at + 24, 2))
    if codec not in (_AAC, _ALAC) and codec not in PCM and codec not in _READERS:
        return Entry(codec)
    if head is None or big(data, at + 4, 4) != 1:
        raise AudioError(_NOT_UNDERSTOOD)
    rate = _rate(data, begin, head)
    inner = list(_children(data, begin + head, min(end, begin + big(data, begin, 4)), steps))
    if codec == _AAC:
        return Entry(codec, rate, reader=_aac(inner, rate))
    if codec == _ALAC:
        return Entry(codec, rate, reader=_alac(inner, rate))
    if codec in PCM:
        return Entry(codec, rate, _frame_bytes(data, begin, head, PCM[codec] or _bits(inner)))
    return Entry(codec, rate, reader=_READERS[codec])


def _rate(data: bytes, begin: int, head: int) -> int:
    if head < _HEAD_BYTES[2]:
        return big(data, begin + 32, 2)
    value: float = struct.unpack(">d", data[begin + 40 : begin + 48].ljust(8, b"\x00"))[0]
    return int(value) if isfinite(value) and 0 < value < 1e9 else 0


def _frame_bytes(data: bytes, begin: int, head: int, bits: int | None) -> int:
    channels, own = big(data, begin + 24, 2), big(data, begin + 26, 2)
    if head == _HEAD_BYTES[2]:
        channels, own = big(data, begin + 48, 4), big(data, begin + 56, 4)
    if head == _HEAD_BYTES[1] and big(data, begin + 36, 4) > 1:
        raise AudioError("The MP4 file packs its samples in a way that is not understood.")
    return max(1, channels * ((bits or own) // 8))


def _bits(inner: list[tuple[bytes, bytes]]) -> int | None:
    """Of ISO 23003-5."""
    return next((content[5] for kind, content in inner if kind == b"pcmC" and len(content) > 5), None)


def _children(data: bytes, at: int, end: int, steps: Steps) -> Iterator[tuple[bytes, bytes]]:
    """The boxes of use in the entry and in QuickTime's `wave`, each with its content."""
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
                raise AudioError(_NOT_UNDERSTOOD)
            ends.append(after)
            at += 8
            continue
        if kind in _INNER:
            found += 1
            if found > _INNER_MAX:
                raise AudioError(_NOT_UNDERSTOOD)
            yield kind, data[at + 8 : min(after, at + 8 + _INNER_BYTES_MAX)]
        at = after


def _aac(inner: list[tuple[bytes, bytes]], rate: int) -> Reader:
    """The rate is the decoder's own; without it the lowest that there is."""
    own = [content for kind, content in inner if kind == b"esds"]
    if len(own) != 1 or any(kind == b"glbl" for kind, _ in inner):
        return aac.reader(None, rate)
    return mpeg_packet if aac.is_mpeg(own[0]) else aac.reader(aac.specific(own[0]), rate)


def _alac(inner: list[tuple[bytes, bytes]], rate: int) -> Reader:
    """Its cookie says how long frames are; the rate may be anybody's."""
    cookies = [content for kind, content in inner if kind == _ALAC and len(content) >= 28]
    samples = max((big(cookie, 4, 4) for cookie in cookies), default=0)
    lowest = min((known for known in (rate, *(big(cookie, 24, 4) for cookie in cookies)) if known), default=0)
    if not 0 < samples <= ALAC_SAMPLES_MAX or not lowest:
        raise AudioError("The lossless sound in the MP4 file does not say how long its frames are.")
    sound: Sound = (samples, lowest, True)
    return lambda data, at, size: sound


_RUN_BYTES = 12
_BASE_OFFSET, _DESCRIPTION, _DURATION, _SIZE, _BASE_IS_MOOF = 0x01, 0x02, 0x08, 0x10, 0x020000
_OFFSET, _FIRST_FLAGS = 0x01, 0x04
_OWN_DURATION, _OWN_SIZE, _OWN_OTHERS = 0x100, 0x200, (0x200, 0x400, 0x800)
# As many as tracks, and some for those that are no sound.
_DEFAULTS_MAX = 256
