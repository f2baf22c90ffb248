"""Which format a file is, by its first bytes and not by its name, and how long it plays."""

from collections.abc import Callable

from . import flac, matroska, mp4, mpeg, ogg, wav
from .types import Audio, AudioError, Steps, occurrences

# Nothing that a provider takes is as long: 25 MB at 8 kbit/s are seven hours.
MILLISECONDS_MAX = 12 * 3600 * 1000
PROGRAM_STREAM = b"\x00\x00\x01\xba"
# Private streams, maps that may say of a stream that it is another codec's, and what some games call theirs: no floor
# holds for them. Film has none of these bytes by chance.
OTHER_SOUND = (b"\x00\x00\x01\xbd", b"\x00\x00\x01\xbc", b"\x00\x00\x01\xfd", b"Sofdec", b"IMKH")
Measure = Callable[[bytes, Steps], Audio]


def probe(data: bytes, steps: Steps | None = None) -> Audio:
    """Read the whole file within its budget, whose deadline runs from the time that it was made.

    Raises AudioError, and nothing else, for what is no supported format, has no sound, or claims far too much of it.
    """
    measure = _measure(data)
    if measure is None:
        raise AudioError("The file is no flac, mp3, mp4, mpeg, mpga, m4a, ogg, wav or webm.")
    found = measure(data, steps or Steps(len(data)))
    if found.milliseconds_max <= 0:
        raise AudioError("The audio file has no sound in it.")
    if found.milliseconds_max > MILLISECONDS_MAX:
        raise AudioError(f"The audio file may play for more than {MILLISECONDS_MAX // 3_600_000} hours.")
    return found


def _measure(data: bytes) -> Measure | None:
    if data[:4] in (b"RIFF", b"RF64") and data[8:12] == b"WAVE":
        return wav.measure
    if data[:4] == b"OggS":
        return ogg.measure
    if data[:4] == b"\x1a\x45\xdf\xa3":
        return matroska.measure
    if data[4:8] in (b"ftyp", b"moov"):
        return mp4.measure
    if data[:4] == PROGRAM_STREAM:
        return _program_stream
    start = mpeg.after_tags(data)
    if data[start : start + 4] == b"fLaC":
        return flac.measure
    return mpeg.measure if mpeg.first_frame(data, start) is not None else None


def _program_stream(data: bytes, steps: Steps) -> Audio:
    """MPEG with film: how much of it is sound is not looked into, but that it is MPEG audio."""
    if any(occurrences(data, sign, 0, steps) for sign in OTHER_SOUND):
        raise AudioError("The sound in the MPEG file is no MPEG audio: send it in another format.")
    return Audio.floor("mpeg", len(data))
