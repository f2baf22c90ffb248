"""AAC: the rate is the AudioSpecificConfig's (ISO 14496-3, 1.6.2.1); what a container says of it is a claim."""

from dataclasses import dataclass

from .packets import NOWHERE, Reader, Sound
from .types import AudioError, big

RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
RATE_MIN = RATES[-1]
FRAME_SAMPLES = 1024
# No AudioSpecificConfig says its rate behind these.
CONFIG_BYTES = 16
# A header of its own in front of a packet (ADTS) may announce as many frames as this.
ADTS_FRAMES_MAX = 4
_ESCAPE, _EXPLICIT = 31, 15
_SPECTRAL_BAND, _PARAMETRIC_STEREO = 5, 29
# Main, LC, SSR, LTP and their error resilient kinds; the two of low delay.
_LONG, _LOW_DELAY = frozenset({1, 2, 3, 4, 17, 19}), frozenset({23, 39})


@dataclass(frozen=True, slots=True)
class Config:
    """`samples` of a frame; it may be a sixteenth shorter."""

    rate: int
    samples: int


class _Bits:
    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def take(self, count: int) -> int:
        """Nothing but zeros behind the end: `missing` tells."""
        self._left -= count
        return (self._value >> self._left if self._left >= 0 else 0) & ((1 << count) - 1)

    @property
    def missing(self) -> bool:
        return self._left < 0


def config(raw: bytes) -> Config | None:
    """None if it says no rate; raises AudioError for codecs that only share AAC's containers."""
    bits = _Bits(raw[:CONFIG_BYTES])
    kind, rate = _kind(bits), _rate(bits)
    bits.take(4)
    if kind in (_SPECTRAL_BAND, _PARAMETRIC_STEREO):
        _rate(bits)
        kind = _kind(bits)
    if bits.missing or not rate:
        return None
    if kind not in _LONG | _LOW_DELAY:
        raise AudioError("This kind of AAC cannot be measured: send the sound in another format.")
    return Config(rate, FRAME_SAMPLES if kind in _LONG else FRAME_SAMPLES // 2)


def reader(raw: bytes | None, claimed: int) -> Reader:
    """`raw` is None where there is no config: decoders then believe the container, or packets' own headers."""
    found = config(raw) if raw is not None else None
    lowest = min(found.rate if found else claimed, claimed or RATE_MIN, RATE_MIN) or RATE_MIN
    usual: Sound = (found.samples, found.rate, True) if found else (FRAME_SAMPLES, lowest, False)
    unseen: Sound = (ADTS_FRAMES_MAX * FRAME_SAMPLES, lowest, False)

    def read(data: bytes, at: int, size: int) -> Sound:
        if at == NOWHERE:
            return unseen
        # Decoders believe a header in front of a packet more than the config; no packet of AAC alone begins like it.
        if size > 1 and data[at] == 0xFF and data[at + 1 : at + 2] >= b"\xf0":
            return unseen
        return usual

    return read


def _kind(bits: _Bits) -> int:
    kind = bits.take(5)
    return 32 + bits.take(6) if kind == _ESCAPE else kind


def _rate(bits: _Bits) -> int:
    """0 for the codes that stand for none."""
    index = bits.take(4)
    if index == _EXPLICIT:
        return bits.take(24)
    return RATES[index] if index < len(RATES) else 0


_ES, _DECODER, _SPECIFIC = 3, 4, 5
_AAC, _MPEG = frozenset({0x40, 0x66, 0x67, 0x68}), frozenset({0x69, 0x6B})


def is_mpeg(descriptor: bytes) -> bool:
    """Whether an `esds` box says layer III; raises AudioError if it says neither that nor AAC."""
    at = _decoder(descriptor)
    kind = descriptor[at] if at is not None else 0x40
    if kind in _AAC | _MPEG:
        return kind in _MPEG
    raise AudioError("The sound in the MP4 file is of a kind that cannot be measured: send it in another format.")


def specific(descriptor: bytes) -> bytes | None:
    """The AudioSpecificConfig in an `esds` box (ISO 14496-1, 7.2.6)."""
    at = _decoder(descriptor)
    found = _enter(descriptor, at + 13, _SPECIFIC) if at is not None else None
    return descriptor[found[0] : found[1]] if found else None


def _decoder(descriptor: bytes) -> int | None:
    stream = _enter(descriptor, 4, _ES)
    if stream is None:
        return None
    flags, at = big(descriptor, stream[0] + 2, 1), stream[0] + 3
    at += 2 * bool(flags & 0x80)
    at += 1 + big(descriptor, at, 1) if flags & 0x40 else 0
    at += 2 * bool(flags & 0x20)
    decoder = _enter(descriptor, at, _DECODER)
    return decoder[0] if decoder and decoder[1] - decoder[0] >= 13 else None


def _enter(descriptor: bytes, at: int, tag: int) -> tuple[int, int] | None:
    """Where the content of the descriptor at `at` begins and ends, if it is one of this tag and whole."""
    if big(descriptor, at, 1) != tag:
        return None
    size, begin = 0, at + 1
    for begin in range(at + 2, at + 6):
        byte = big(descriptor, begin - 1, 1)
        size = size << 7 | byte & 0x7F
        if not byte & 0x80:
            break
    return (begin, begin + size) if begin + size <= len(descriptor) else None
