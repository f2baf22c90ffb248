"""MP4 and M4A: boxes. A sound track's samples have durations; the codec knows how much sound a sample is."""

from collections.abc import Iterator

from .found import Audio, AudioError, Steps, big
from .fragments import Fragments
from .mp4_entry import parse
from .mp4_track import Track, measured

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
_FRAGMENTS = frozenset((b"trex", b"tfhd", b"trun"))

Box = tuple[bytes, int, int]
"""Its type, where its content begins, and where it ends."""


def measure(data: bytes, steps: Steps) -> Audio:
    """The longest sound track. Raises AudioError."""
    tracks, fragments = _walk(data, steps)
    heard = [measured(track, fragments, data, steps) for track in tracks if track.is_sound and track.scale]
    if not heard:
        raise AudioError("The MP4 file has no sound in it.")
    return max(heard, key=lambda found: found.milliseconds_max)


def _walk(data: bytes, steps: Steps) -> tuple[list[Track], Fragments]:
    tracks: list[Track] = []
    fragments = Fragments()
    for kind, at, end in _boxes(data, steps):
        if kind == b"trak":
            tracks.append(Track())
        elif kind == b"moof":
            fragments.begin(at - 8)
        elif kind == b"cmov":
            raise AudioError("The MP4 file's index is compressed: write it anew.")
        elif kind in _FRAGMENTS:
            fragments.take(kind, data, at, end, steps)
        elif tracks:
            _describe(tracks[-1], kind, data, at, end, steps)
    return tracks, fragments


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


def _describe(track: Track, kind: bytes, data: bytes, at: int, end: int, steps: Steps) -> None:
    if kind == b"tkhd":
        track.id = big(data, at + (20 if data[at : at + 1] == b"\x01" else 12), 4)
    elif kind == b"mdhd":
        track.scale = big(data, at + (20 if data[at : at + 1] == b"\x01" else 12), 4)
    elif kind == b"hdlr":
        track.handlers.add(data[at + 8 : at + 12])
    elif kind == b"stsd":
        track.entry = parse(data, at, end)
    elif kind in _TABLES:
        track.tables.take(kind, data, at, end, steps)
    elif kind == b"stts":
        entries = min(big(data, at + 4, 4), (end - at - 8) // 8)
        for entry in range(at + 8, at + 8 + 8 * entries, 8):
            steps.take()
            count = big(data, entry, 4)
            track.samples += count
            track.duration += count * big(data, entry + 4, 4)
