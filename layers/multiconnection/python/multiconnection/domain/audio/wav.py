"""WAV: chunks, of which `fmt ` says how many bytes a sample has and `data` holds them."""

from dataclasses import dataclass

from . import mpeg
from .found import Audio, AudioError, Steps, in_milliseconds, little

PCM, ADPCM, FLOAT, A_LAW, MU_LAW, IMA_ADPCM, MP3, EXTENSIBLE = 1, 2, 3, 6, 7, 0x11, 0x55, 0xFFFE
CHANNELS_MAX = 64
BITS_MAX = 64


@dataclass(frozen=True, slots=True)
class _Format:
    codec: int
    channels: int
    rate: int
    bits: int


def measure(data: bytes, steps: Steps) -> Audio:
    """Raises AudioError. A data chunk that claims nothing, or more than there is, reaches to the end of the file."""
    at, size, start = 12, 0, 0
    described: _Format | None = None
    while at + 8 <= len(data):
        steps.take()
        tag, claimed, body = data[at : at + 4], little(data, at + 4, 4), at + 8
        left = len(data) - body
        if tag == b"fmt " and described is None:
            described = _described(data, body)
        elif tag == b"data":
            claimed = claimed if 0 < claimed <= left else left
            size, start = size + claimed, start or body
        at = body + claimed + claimed % 2
    if described is None or not size:
        raise AudioError("The WAV file has no samples or does not say what they are.")
    return _length(data, described, start, size, steps)


def _described(data: bytes, at: int) -> _Format:
    codec = little(data, at, 2)
    if codec == EXTENSIBLE:
        codec = little(data, at + 24, 2)
    found = _Format(codec, little(data, at + 2, 2), little(data, at + 4, 4), little(data, at + 14, 2))
    if not (0 < found.channels <= CHANNELS_MAX and found.rate and found.bits <= BITS_MAX):
        raise AudioError("The WAV file's format is not valid.")
    return found


def _length(data: bytes, described: _Format, start: int, size: int, steps: Steps) -> Audio:
    if described.codec == MP3:
        return Audio("wav", *mpeg.span(data, start, steps))
    if described.codec in (ADPCM, IMA_ADPCM):  # four bits a sample
        return Audio.exact("wav", in_milliseconds(2 * size // described.channels, described.rate))
    frame = _frame_bytes(described)
    if frame is None:
        return Audio.floor("wav", size)
    return Audio.exact("wav", in_milliseconds(size // frame, described.rate))


def _frame_bytes(described: _Format) -> int | None:
    """Bytes of one sample in all channels; None for a codec that packs them."""
    if described.codec in (A_LAW, MU_LAW):
        return described.channels
    if described.codec in (PCM, FLOAT):
        return described.channels * max(1, -(-described.bits // 8))
    return None
