"""MP4 and M4A: boxes. A sound track's samples have durations; the codec knows how much sound a sample is at least."""

from collections.abc import Iterator
from dataclasses import dataclass

from .found import RATE_MAX, Audio, AudioError, Steps, big, in_milliseconds
from .fragments import Fragments

# PCM samples in one sample of the track; a codec that is not here is bounded by its bytes.
FRAME_SAMPLES = {
    b"mp4a": 1024,
    b".mp3": 1152,
    b"alac": 4096,
    b"Opus": 960,
    b"ac-3": 1536,
    b"ec-3": 1536,
    **dict.fromkeys((b"sowt", b"twos", b"lpcm", b"raw ", b"in24", b"in32", b"fl32", b"fl64", b"ulaw", b"alaw"), 1),
}
# Durations that are a little shorter than the frames are an encoder's; much shorter ones are a claim.
BELIEVED = 0.75
_CONTAINERS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl", b"mvex", b"moof", b"traf"})

Box = tuple[bytes, int, int]
"""Its type, where its content begins, and where it ends."""


@dataclass(slots=True)
class Track:
    """Times are in units of which a second has `scale`."""

    id: int = 0
    scale: int = 0
    is_sound: bool = False
    codec: bytes = b""
    rate: int = 0
    samples: int = 0
    sizes: int = 0
    duration: int = 0


def measure(data: bytes, steps: Steps) -> Audio:
    """The longest sound track. Raises AudioError."""
    tracks, fragments = _walk(data, steps)
    heard = []
    for track in tracks:
        if track.is_sound and track.scale:
            samples, duration = fragments.of(track.id)
            track.samples, track.duration = max(track.samples, track.sizes) + samples, track.duration + duration
            heard.append(_length(track, len(data)))
    if not heard:
        raise AudioError("The MP4 file has no sound in it.")
    return max(heard, key=lambda found: found.milliseconds_max)


def _length(track: Track, size: int) -> Audio:
    said = in_milliseconds(track.duration, track.scale)
    frame = FRAME_SAMPLES.get(track.codec)
    if track.codec == b"fLaC":
        raise AudioError("FLAC cannot be measured inside of MP4: send it as a .flac file.")
    if frame is None:
        return Audio.floor("mp4", size) if track.samples else Audio.exact("mp4", said)
    rate = track.rate or track.scale
    framed = in_milliseconds(track.samples * frame, rate if frame == 1 else min(rate, RATE_MAX))
    believed = said >= BELIEVED * framed
    return Audio("mp4", said if believed else framed, max(said, framed), measured=believed)


def _walk(data: bytes, steps: Steps) -> tuple[list[Track], Fragments]:
    tracks: list[Track] = []
    fragments = Fragments()
    for kind, at, end in _boxes(data, steps):
        if kind == b"trak":
            tracks.append(Track())
        elif kind in (b"trex", b"tfhd", b"trun"):
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
            size = len(data) - at
        if size < head:
            return
        yield kind, at + head, min(at + size, len(data))
        at += head if kind in _CONTAINERS else size


def _describe(track: Track, kind: bytes, data: bytes, at: int, end: int, steps: Steps) -> None:
    if kind == b"tkhd":
        track.id = big(data, at + (20 if data[at : at + 1] == b"\x01" else 12), 4)
    elif kind == b"mdhd":
        track.scale = big(data, at + (20 if data[at : at + 1] == b"\x01" else 12), 4)
    elif kind == b"hdlr":
        track.is_sound = track.is_sound or data[at + 8 : at + 12] == b"soun"
    elif kind == b"stsd":
        track.codec, track.rate = data[at + 12 : at + 16], big(data, at + 40, 2)
    elif kind in (b"stsz", b"stz2"):
        track.sizes = big(data, at + 8, 4)
    elif kind == b"stts":
        entries = min(big(data, at + 4, 4), (end - at - 8) // 8)
        for entry in range(at + 8, at + 8 + 8 * entries, 8):
            steps.take()
            count = big(data, entry, 4)
            track.samples += count
            track.duration += count * big(data, entry + 4, 4)
