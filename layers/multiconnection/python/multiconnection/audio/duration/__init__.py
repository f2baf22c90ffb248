"""The playing time of an audio file, read from the file itself; imports nothing but the standard library.

`probe` recognises the format by the first bytes, never by a name, and walks the whole file within a budget of steps and
time. The result has two lengths: what to charge, and the most that any player could hear.
"""

from collections.abc import Callable

from . import flac, matroska, mp4, mpeg, ogg, wav
from .types import Audio, AudioError, Steps, occurrences

__all__ = ["MILLISECONDS_MAX", "Audio", "AudioError", "Steps", "probe"]

# Longer than any file that a provider accepts: 25 MB at 8 kbit/s are seven hours.
MILLISECONDS_MAX = 12 * 3600 * 1000
_PROGRAM_STREAM = b"\x00\x00\x01\xba"
# Private streams, maps that may declare another codec, and marks of codecs used by games: the lowest bit rate of MPEG
# audio does not bound these. Video contains none of these bytes by chance.
_OTHER_CODECS = (b"\x00\x00\x01\xbd", b"\x00\x00\x01\xbc", b"\x00\x00\x01\xfd", b"Sofdec", b"IMKH")
Measure = Callable[[bytes, Steps], Audio]


def probe(data: bytes, steps: Steps | None = None) -> Audio:
    """Measure a whole file within its budget, whose deadline runs from the moment the budget was made.

    Raises AudioError, and nothing else, for a format that is not supported, a file without sound, or a length beyond
    `MILLISECONDS_MAX`.
    """
    measure = _reader_of(data)
    if measure is None:
        raise AudioError(
            "The file is not in a supported format: send flac, mp3, mp4, mpeg, mpga, m4a, ogg, wav or webm."
        )
    found = measure(data, steps or Steps(len(data)))
    if found.milliseconds_max <= 0:
        raise AudioError("The audio file contains no sound.")
    if found.milliseconds_max > MILLISECONDS_MAX:
        raise AudioError(f"The audio file may play for more than {MILLISECONDS_MAX // 3_600_000} hours.")
    return found


def _reader_of(data: bytes) -> Measure | None:
    if data[:4] in (b"RIFF", b"RF64") and data[8:12] == b"WAVE":
        return wav.measure
    if data[:4] == b"OggS":
        return ogg.measure
    if data[:4] == b"\x1a\x45\xdf\xa3":
        return matroska.measure
    if data[4:8] in (b"ftyp", b"moov"):
        return mp4.measure
    if data[:4] == _PROGRAM_STREAM:
        return _program_stream
    start = mpeg.after_tags(data)
    if data[start : start + 4] == b"fLaC":
        return flac.measure
    return mpeg.measure if mpeg.first_frame(data, start) is not None else None


def _program_stream(data: bytes, steps: Steps) -> Audio:
    """An MPEG program stream, with or without video, bounded by its size once its sound is known to be MPEG audio."""
    if any(occurrences(data, mark, 0, steps) for mark in _OTHER_CODECS):
        raise AudioError("The sound in the MPEG file is not MPEG audio: send it in another format.")
    return Audio.floor("mpeg", len(data))
