"""MP4 and M4A: boxes. A sound track's samples have durations; the codec knows how much sound a sample is."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from .found import Audio, AudioError, Steps, big, in_milliseconds
from .mp4_entry import PCM, Entry, parse
from .mp4_samples import Fragment, Run, Tables
from .packets import NOWHERE, Heard, Reader, Sound

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
