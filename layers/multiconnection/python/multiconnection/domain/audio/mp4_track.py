"""A track of an MP4: what its boxes say, and how long its samples are."""

from dataclasses import dataclass, field

from .found import Audio, AudioError, Steps, in_milliseconds
from .fragments import Fragments
from .mp4_entry import PCM, Entry
from .mp4_samples import Tables
from .packets import NOWHERE, SILENCE, Heard, Reader, Sound

_FILM, _SOUND = b"vide", b"soun"


@dataclass(slots=True)
class Track:
    """Times are in units of which a second has `scale`."""

    id: int = 0
    scale: int = 0
    handlers: set[bytes] = field(default_factory=set)
    entry: Entry = field(default_factory=Entry)
    tables: Tables = field(default_factory=Tables)
    samples: int = 0
    duration: int = 0

    @property
    def is_sound(self) -> bool:
        return _SOUND in self.handlers or (self.entry.is_sound and _FILM not in self.handlers)


def measured(track: Track, fragments: Fragments, data: bytes, steps: Steps) -> Audio:
    said = in_milliseconds(track.duration + fragments.duration(track.id), track.scale)
    counted = max(track.samples, track.tables.count, track.tables.chunked)
    runs = fragments.runs(track.id)
    if not counted + sum(run.count for run in runs):
        return Audio.exact("mp4", 0)
    heard = Heard()
    if track.entry.codec in PCM:
        _values(heard, track, counted, data, steps)
        reader: Reader = _values_of(track)
    elif track.entry.reader is not None:
        reader = track.entry.reader
        _packets(heard, reader, track.tables, counted, data, steps)
    else:
        raise AudioError("The sound in the MP4 file is of a kind that cannot be measured: send it in another format.")
    for run in runs:
        for at, size in run.places(data):
            heard.add(_read(reader, data, at, size))
    return Audio.weighed("mp4", said, heard.least, heard.most)


def _values(heard: Heard, track: Track, counted: int, data: bytes, steps: Steps) -> None:
    """PCM: most files say that a sample is one value, and of which size all are."""
    reader, tables = _values_of(track), track.tables
    if tables.size:
        heard.add(reader(data, 0, tables.size), counted)
    else:
        _packets(heard, reader, tables, counted, data, steps)


def _values_of(track: Track) -> Reader:
    frame, rate = track.entry.frame, track.entry.rate or track.scale

    def read(data: bytes, at: int, size: int) -> Sound:
        values = max(1, -(-size // frame))
        return values, values, rate

    return read


def _packets(heard: Heard, reader: Reader, tables: Tables, counted: int, data: bytes, steps: Steps) -> None:
    for at, size in tables.places(data, steps):
        heard.add(_read(reader, data, at, size))
    if heard.packets < counted:
        heard.add(reader(data, NOWHERE, 0), counted - heard.packets)


def _read(reader: Reader, data: bytes, at: int, size: int) -> Sound:
    """What lies behind the end of a file that was cut off, nobody hears."""
    return reader(data, at, size) if at < len(data) and (size or at == NOWHERE) else SILENCE
