"""WebM and Matroska: elements. Opus blocks tell their length, other sound is bounded by blocks and timestamps."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite

from . import opus
from .found import RATE_MAX, Audio, AudioError, Steps, big, in_milliseconds

TRACK_ENTRY, TRACK_NUMBER, TRACK_TYPE, CODEC, FREQUENCY = 0xAE, 0xD7, 0x83, 0x86, 0xB5
TIME_SCALE, DURATION, CLUSTER_TIME, SIMPLE_BLOCK, BLOCK = 0x2AD7B1, 0x4489, 0xE7, 0xA3, 0xA1
# Segment, Info, Tracks, TrackEntry, Audio, Cluster, BlockGroup.
_CONTAINERS = frozenset({0x18538067, 0x1549A966, 0x1654AE6B, TRACK_ENTRY, 0xE1, 0x1F43B675, 0xA0})
_OF_TRACKS = frozenset({TRACK_NUMBER, TRACK_TYPE, CODEC, FREQUENCY})
SOUND = 2
# Each block looks for its track.
TRACKS_MAX = 64
FRAME_SAMPLES = {b"A_VORBIS": 1024, b"A_AAC": 1024, b"A_MPEG/L3": 1152, b"A_MPEG/L2": 1152}
NANOSECONDS = 10**6
# Silence takes no bytes in them, so that no floor holds.
SILENT = frozenset({b"A_FLAC", b"A_ALAC", b"A_TTA1", b"A_WAVPACK4"})

Element = tuple[int, int, int]
"""Its id, where its content begins, and where it ends."""


@dataclass(slots=True)
class Track:
    """`ends` is the timestamp of its last block, in the file's units."""

    number: int = 0
    kind: int = 0
    codec: bytes = b""
    rate: float = 8000.0
    frames: int = 0
    laced: bool = False
    samples: int = 0
    size: int = 0
    ends: int = 0


@dataclass(slots=True)
class File:
    tracks: list[Track]
    scale: int = NANOSECONDS
    duration: float = 0.0
    cluster: int = 0


def measure(data: bytes, steps: Steps) -> Audio:
    """The longest sound track. Raises AudioError."""
    file = File([])
    for element, at, end in _elements(data, steps):
        _take(file, element, data, at, end)
    heard = [_length(file, track) for track in file.tracks if track.kind == SOUND and track.frames]
    if not heard:
        raise AudioError("The WebM file has no sound in it.")
    return max(heard, key=lambda found: found.milliseconds_max)


def _length(file: File, track: Track) -> Audio:
    if track.codec == b"A_OPUS" and not track.laced:
        return Audio.exact("webm", in_milliseconds(track.samples, opus.RATE))
    said = -(-max(int(file.duration), track.ends) * file.scale // NANOSECONDS)
    if track.codec == b"A_OPUS":
        most = in_milliseconds(track.frames * opus.PACKET_SAMPLES_MAX, opus.RATE)
    elif track.codec in FRAME_SAMPLES:
        most = in_milliseconds(track.frames * FRAME_SAMPLES[track.codec], min(RATE_MAX, max(1, int(track.rate))))
    elif track.codec in SILENT:
        raise AudioError("Lossless sound cannot be measured inside of WebM: send it as a file of its own.")
    else:
        most = Audio.floor("webm", track.size).milliseconds
    return Audio("webm", said if 0 < said <= most else most, most, measured=0 < said <= most)


def _take(file: File, element: int, data: bytes, at: int, end: int) -> None:
    if element == TRACK_ENTRY:
        if len(file.tracks) == TRACKS_MAX:
            raise AudioError(f"The WebM file has more than {TRACKS_MAX} tracks.")
        file.tracks.append(Track())
    elif element in _OF_TRACKS and file.tracks:
        _describe(file.tracks[-1], element, data, at, end)
    elif element in (SIMPLE_BLOCK, BLOCK):
        _block(file, data, at, end)
    elif element == TIME_SCALE:
        file.scale = big(data, at, min(8, end - at))
    elif element == DURATION:
        file.duration = _real(data[at:end])
    elif element == CLUSTER_TIME:
        file.cluster = big(data, at, min(8, end - at))


def _describe(track: Track, element: int, data: bytes, at: int, end: int) -> None:
    if element == TRACK_NUMBER:
        track.number = big(data, at, min(8, end - at))
    elif element == TRACK_TYPE:
        track.kind = big(data, at, min(8, end - at))
    elif element == CODEC:
        track.codec = data[at : min(end, at + 32)].rstrip(b"\x00")
    else:
        track.rate = _real(data[at:end]) or track.rate


def _block(file: File, data: bytes, at: int, end: int) -> None:
    number, width = _size(data, at)
    track = next((track for track in file.tracks if track.number == number and track.kind == SOUND), None)
    if track is None or not width or at + width + 3 >= end:
        return
    flags, content = data[at + width + 2], at + width + 3
    laced = bool(flags & 0x06)
    track.laced = track.laced or laced
    track.frames += data[content] + 1 if laced else 1
    track.samples += 0 if laced else opus.samples(data[content : min(end, content + 2)])
    track.size += end - content
    offset = int.from_bytes(data[at + width : at + width + 2], "big", signed=True)
    track.ends = max(track.ends, file.cluster + offset)


def _elements(data: bytes, steps: Steps) -> Iterator[Element]:
    """All of them in the order of the file; containers are entered, everything else is stepped over."""
    at = 0
    while at < len(data):
        steps.take()
        width = 9 - data[at].bit_length()
        size, size_width = _size(data, at + width)
        if width > 4 or not size_width:
            return
        element, begin = big(data, at, width), at + width + size_width
        yield element, begin, min(begin + size, len(data))
        at = begin if element in _CONTAINERS else begin + size


def _size(data: bytes, at: int) -> tuple[int, int]:
    """A number whose first byte tells how many bytes it has, and that many; 0 bytes where there is none."""
    first = big(data, at, 1)
    if not first or at >= len(data):
        return 0, 0
    width = 9 - first.bit_length()
    return big(data, at, width) & ((1 << 7 * width) - 1), width


def _real(raw: bytes) -> float:
    """0.0 for what is no number that a duration or a rate can be."""
    if len(raw) not in (4, 8):
        return 0.0
    value: float = struct.unpack(">f" if len(raw) == 4 else ">d", raw)[0]
    return value if isfinite(value) and 0 < value < 1e12 else 0.0
