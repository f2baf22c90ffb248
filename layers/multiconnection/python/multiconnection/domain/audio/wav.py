"""WAV: chunks, of which `fmt ` says what samples are and `data` holds them."""

from . import mpeg
from .found import Audio, AudioError, Steps, little, occurrences
from .wav_formats import MPEG, Format, described

# Compressed sound may be hidden in PCM (IEC 61937): players that look for it want its mark twice.
HIDDEN = b"\x72\xf8\x1f\x4e"


def measure(data: bytes, steps: Steps) -> Audio:
    """Raises AudioError. A data chunk that claims nothing, or more than there is, reaches to the end of the file."""
    at, size, start = 12, 0, 0
    found: Format | None = None
    while at + 8 <= len(data):
        steps.take()
        tag, claimed, body = data[at : at + 4], little(data, at + 4, 4), at + 8
        left = len(data) - body
        if tag == b"fmt " and found is None:
            found = described(data, body)
        elif tag == b"data":
            claimed = claimed if 0 < claimed <= left else left
            size, start = size + claimed, start or body
        at = body + claimed + claimed % 2
    if found is None or not size:
        raise AudioError("The WAV file has no samples or does not say what they are.")
    if found.codec in MPEG:
        return mpeg.span("wav", data, start, steps)
    if occurrences(data, HIDDEN, start, steps) > 1:
        raise AudioError("The WAV file carries other sound than its samples.")
    return found.length(size)
