"""WAV: chunks, of which `fmt ` describes the samples and `data` holds them (RFC 2361)."""

from dataclasses import dataclass

from . import mpeg
from .types import Audio, AudioError, Steps, in_milliseconds, little, occurrences

PCM, ADPCM, FLOAT, A_LAW, MU_LAW, IMA_ADPCM, GSM, EXTENSIBLE = 1, 2, 3, 6, 7, 0x11, 0x31, 0xFFFE
MPEG = frozenset({0x50, 0x55})
CHANNELS_MAX = 64
BITS_MAX = 64
GSM_SAMPLES, GSM_BYTES_MIN, GSM_BYTES_MAX = 320, 41, 65
# Bytes and samples of a block's head, in each channel.
_HEADS = {ADPCM: (7, 2), IMA_ADPCM: (4, 1)}
# Compressed sound may be hidden in PCM (IEC 61937): players that look for it want this mark twice.
_HIDDEN = b"\x72\xf8\x1f\x4e"


def measure(data: bytes, steps: Steps) -> Audio:
    """Measure all `data` chunks; one that claims no size, or more than the file has, reaches to its end.

    Raises AudioError if there are none, if their format is missing or not supported, or if they hide other sound.
    """
    at, size, start = 12, 0, 0
    found: Format | None = None
    while at + 8 <= len(data):
        steps.take()
        tag, claimed, body = data[at : at + 4], little(data, at + 4, 4), at + 8
        left = len(data) - body
        if tag == b"fmt " and found is None:
            found = _described(data, body)
        elif tag == b"data":
            claimed = claimed if 0 < claimed <= left else left
            size, start = size + claimed, start or body
        at = body + claimed + claimed % 2
    if found is None or not size:
        raise AudioError("The WAV file has no samples or does not say what they are.")
    if found.codec in MPEG:
        return mpeg.span("wav", data, start, steps)
    if occurrences(data, _HIDDEN, start, steps) > 1:
        raise AudioError("The WAV file hides other sound in its samples.")
    return found.length(size)


@dataclass(frozen=True, slots=True)
class Format:
    """The layout of the samples.

    `valid` is the number of bits in use that EXTENSIBLE declares, at most `bits`; some players go by it alone.
    """

    codec: int
    channels: int
    rate: int
    block: int
    bits: int
    valid: int

    def length(self, size: int) -> Audio:
        """The length of `size` bytes. Raises AudioError for codecs whose bytes do not determine it."""
        if self.codec in _HEADS:
            return self._adpcm(size)
        if self.codec == GSM:
            known = GSM_BYTES_MIN <= self.block <= GSM_BYTES_MAX
            count = -(-size // (self.block if known else GSM_BYTES_MIN)) * GSM_SAMPLES
            return Audio("wav", *2 * (in_milliseconds(count, self.rate),), measured=known)
        if self.codec in (A_LAW, MU_LAW):
            return self._plain(size, 1, 1)
        if self.codec in (PCM, FLOAT):
            return self._plain(size, max(1, -(-self.bits // 8)), max(1, -(-self.valid // 8)))
        raise AudioError(
            f"The WAV file's codec {self.codec:#06x} cannot be measured: send it as PCM or in another format."
        )

    def _plain(self, size: int, width: int, width_min: int) -> Audio:
        claim, most = (size // (self.channels * bytes_) for bytes_ in (width, width_min))
        return Audio.claimed("wav", in_milliseconds(claim, self.rate), in_milliseconds(most, self.rate))

    def _adpcm(self, size: int) -> Audio:
        """Four bits a sample, and a few samples in the head of every block; IMA has as few as two bits a sample."""
        head, samples = _HEADS[self.codec]
        bits = self.bits if self.codec == IMA_ADPCM and 2 <= self.bits <= 4 else 4
        most = in_milliseconds(8 * size // (min(bits, 4) * self.channels), self.rate)
        block = self.block // self.channels
        if block <= head:
            return Audio("wav", most, most, measured=False)
        whole, rest = divmod(size // self.channels, block)
        count = whole * (samples + 8 * (block - head) // bits) + 8 * rest // bits
        return Audio.exact("wav", min(most, in_milliseconds(count, self.rate)))


def _described(data: bytes, at: int) -> Format:
    """The content of a `fmt ` chunk. Raises AudioError if it is not valid."""
    codec, bits = little(data, at, 2), little(data, at + 14, 2)
    valid = bits
    if codec == EXTENSIBLE:
        valid = min(bits, little(data, at + 18, 2) or bits)
        codec = little(data, at + 24, 2)
    found = Format(codec, little(data, at + 2, 2), little(data, at + 4, 4), little(data, at + 12, 2), bits, valid)
    if not (0 < found.channels <= CHANNELS_MAX and found.rate and found.bits <= BITS_MAX):
        raise AudioError("The WAV file's format is not valid.")
    return found
