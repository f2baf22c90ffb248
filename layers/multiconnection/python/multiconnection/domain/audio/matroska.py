"""WebM and Matroska: elements. Blocks carry frames, whose codec tells how long they are; timestamps are only claims."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isfinite

from .found import Audio, AudioError, Steps, big
from .lacing import LACED, frames, vint
from .matroska_tracks import SOUND, Track

TRACK_ENTRY, TRACK_NUMBER, TRACK_TYPE, CODEC, PRIVATE, ENCODINGS = 0xAE, 0xD7, 0x83, 0x86, 0x63A2, 0x6D80
FREQUENCY, FREQUENCY_OUT, CHANNELS, BITS = 0xB5, 0x78B5, 0x9F, 0x6264
TIME_SCALE, DURATION, CLUSTER_TIME, SIMPLE_BLOCK, BLOCK = 0x2AD7B1, 0x4489, 0xE7, 0xA3, 0xA1
CLUSTER = b"\x1f\x43\xb6\x75"
# Segment, Info, Tracks, TrackEntry, Audio, Cluster, BlockGroup.
_CONTAINERS = frozenset({0x18538067, 0x1549A966, 0x1654AE6B, TRACK_ENTRY, 0xE1, 0x1F43B675, 0xA0})
_NUMBERS = {TRACK_NUMBER: "number", TRACK_TYPE: "kind", CHANNELS: "channels", BITS: "bits"}
_OF_TRACKS = frozenset({*_NUMBERS, CODEC, PRIVATE, ENCODINGS, FREQUENCY, FREQUENCY_OUT})
# Each block looks for its track.
TRACKS_MAX = 64
NANOSECONDS = 10**6

Element = tuple[int, int, int]
"""Its id, where its content begins, and where it ends."""


@dataclass(slots=True)
class File:
    tracks: list[Track] = field(default_factory=list)
    scale: int = NANOSECONDS
    duration: float = 0.0
    cluster: int = 0


def measure(data: bytes, steps: Steps) -> Audio:
    """The longest sound track. Raises AudioError."""
    file, seen = File(), set[int]()
    for element, at, end in _elements(data, 0, seen, steps):
        _take(file, element, data, at, end, steps)
    said = {id(track): _said(file, track) for track in file.tracks}
    _hidden(file, data, seen, steps)
    heard = [
        Audio.weighed("webm", said[id(track)], track.heard.least, track.heard.most)
        for track in file.tracks
        if track.heard.packets
    ]
    if not heard:
        raise AudioError("The WebM file has no sound in it.")
    return max(heard, key=lambda found: found.milliseconds_max)


def _said(file: File, track: Track) -> int:
    return -(-max(int(file.duration), track.ends) * file.scale // NANOSECONDS)


def _hidden(file: File, data: bytes, seen: set[int], steps: Steps) -> None:
    """Clusters in what the walk stepped over: after whatever they do not understand, players look for the next one."""
    at = data.find(CLUSTER)
    while at >= 0:
        if at not in seen:
            for element, begin, end in _elements(data, at, seen, steps):
                _take(file, element, data, begin, end, steps)
        at = data.find(CLUSTER, at + 1)


def _take(file: File, element: int, data: bytes, at: int, end: int, steps: Steps) -> None:
    if element in (SIMPLE_BLOCK, BLOCK):
        _block(file, data, at, end, steps)
    elif element == TRACK_ENTRY:
        if len(file.tracks) == TRACKS_MAX:
            raise AudioError(f"The WebM file has more than {TRACKS_MAX} tracks.")
        file.tracks.append(Track())
    elif element in _OF_TRACKS and file.tracks:
        _describe(file.tracks[-1], element, data, at, end)
    elif element == TIME_SCALE:
        file.scale = big(data, at, min(8, end - at))
    elif element == DURATION:
        file.duration = _real(data[at:end])
    elif element == CLUSTER_TIME:
        file.cluster = big(data, at, min(8, end - at))


def _describe(track: Track, element: int, data: bytes, at: int, end: int) -> None:
    if element in _NUMBERS:
        setattr(track, _NUMBERS[element], big(data, at, min(8, end - at)))
    elif element == CODEC:
        track.codec = data[at : min(end, at + 32)].rstrip(b"\x00")
    elif element == PRIVATE:
        track.private = data[at:end]
    elif element == ENCODINGS:
        raise AudioError("The WebM file's tracks are compressed or encrypted once more: write it anew without that.")
    else:
        track.rates.append(int(_real(data[at:end])))


def _block(file: File, data: bytes, at: int, end: int, steps: Steps) -> None:
    number, width = vint(data, at)
    for track in file.tracks:
        if track.number == number and track.kind == SOUND:
            break
    else:
        return
    if not width or at + width + 3 >= end:
        return
    flags, content = data[at + width + 2], at + width + 3
    if not flags & LACED:
        track.take(data, content, end - content)
    else:
        steps.take(data[content])
        for begin, size in frames(data, flags, content, end):
            track.take(data, begin, size)
    offset = int.from_bytes(data[at + width : at + width + 2], "big", signed=True)
    track.ends = max(track.ends, file.cluster + offset)


def _elements(data: bytes, at: int, seen: set[int], steps: Steps) -> Iterator[Element]:
    """In the order of the file up to what was seen; containers are entered, everything else is stepped over."""
    while at < len(data):
        steps.take()
        width = 9 - data[at].bit_length()
        size, size_width = vint(data, at + width)
        if width > 4 or not size_width:
            return
        if data[at] == CLUSTER[0]:
            if at in seen:
                return
            seen.add(at)
        element, begin = data[at] if width == 1 else big(data, at, width), at + width + size_width
        yield element, begin, min(begin + size, len(data))
        at = begin if element in _CONTAINERS else begin + size


def _real(raw: bytes) -> float:
    """0.0 for what is no number that a duration or a rate can be."""
    if len(raw) not in (4, 8):
        return 0.0
    value: float = struct.unpack(">f" if len(raw) == 4 else ">d", raw)[0]
    return value if isfinite(value) and 0 < value < 1e12 else 0.0
