"""AAC: the sample rate is that of the AudioSpecificConfig (ISO 14496-3, 1.6.2.1); the container's is only a claim."""

from dataclasses import dataclass

from .packets import NOWHERE, Reader, Sound
from .types import AudioError, Bits, Steps, big

RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
RATE_MIN = RATES[-1]
FRAME_SAMPLES = 1024
# Every AudioSpecificConfig states its rate within these bytes.
CONFIG_BYTES = 16
# A packet with a header of its own (ADTS) may announce this many frames.
ADTS_FRAMES_MAX = 4
_ESCAPE, _EXPLICIT = 31, 15
_SPECTRAL_BAND, _PARAMETRIC_STEREO = 5, 29
# Main, LC, SSR, LTP and their error resilient variants; the two of low delay.
_LONG, _LOW_DELAY = frozenset({1, 2, 3, 4, 17, 19}), frozenset({23, 39})
# Descriptor tags of an `esds` box, and the object types in it that are AAC and MPEG audio.
_ES, _DECODER, _SPECIFIC = 3, 4, 5
_AAC, _MPEG = frozenset({0x40, 0x66, 0x67, 0x68}), frozenset({0x69, 0x6B})


@dataclass(frozen=True, slots=True)
class Config:
    """An AudioSpecificConfig. `samples` is the length of a frame, which may be a sixteenth shorter."""

    rate: int
    samples: int


def config(raw: bytes, steps: Steps) -> Config | None:
    """None if it states no rate. Raises AudioError for codecs that merely share AAC's containers."""
    bits = Bits(raw[:CONFIG_BYTES], "big", steps)
    kind, rate = _kind(bits), _rate(bits)
    bits.skip(4)
    if kind in (_SPECTRAL_BAND, _PARAMETRIC_STEREO):
        _rate(bits)
        kind = _kind(bits)
    if bits.missing or not rate:
        return None
    if kind not in _LONG | _LOW_DELAY:
        raise AudioError("This kind of AAC cannot be measured: send the sound in another format.")
    return Config(rate, FRAME_SAMPLES if kind in _LONG else FRAME_SAMPLES // 2)


def reader(raw: bytes | None, claimed: int, steps: Steps) -> Reader:
    """A reader of packets. Without a config (`raw` is None) decoders go by the container or the packets' own headers.

    Raises AudioError as `config` does.
    """
    found = config(raw, steps) if raw is not None else None
    lowest = min(found.rate if found else claimed, claimed or RATE_MIN, RATE_MIN) or RATE_MIN
    usual: Sound = (found.samples, found.rate, True) if found else (FRAME_SAMPLES, lowest, False)
    unknown: Sound = (ADTS_FRAMES_MAX * FRAME_SAMPLES, lowest, False)

    def read(data: bytes, at: int, size: int) -> Sound:
        if at == NOWHERE:
            return unknown
        # Decoders prefer a header in front of a packet to the config; no bare AAC packet begins like one.
        if size > 1 and data[at] == 0xFF and data[at + 1 : at + 2] >= b"\xf0":
            return unknown
        return usual

    return read


def is_mpeg(descriptor: bytes) -> bool:
    """True if an `esds` box declares MPEG audio. Raises AudioError if it declares neither that nor AAC."""
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


def _kind(bits: Bits) -> int:
    kind = bits.take(5)
    return 32 + bits.take(6) if kind == _ESCAPE else kind


def _rate(bits: Bits) -> int:
    """0 for the reserved codes."""
    index = bits.take(4)
    if index == _EXPLICIT:
        return bits.take(24)
    return RATES[index] if index < len(RATES) else 0


def _decoder(descriptor: bytes) -> int | None:
    """Position of the decoder's description inside of an `esds` box."""
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
    """Begin and end of the content of the descriptor at `at`, if it has this tag and is whole."""
    if big(descriptor, at, 1) != tag:
        return None
    size, begin = 0, at + 1
    for begin in range(at + 2, at + 6):
        byte = big(descriptor, begin - 1, 1)
        size = size << 7 | byte & 0x7F
        if not byte & 0x80:
            break
    return (begin, begin + size) if begin + size <= len(descriptor) else None
