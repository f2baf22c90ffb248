"""The length of a packet in a container, by codec: how many samples it decodes to at most."""

from collections import Counter
from collections.abc import Callable

from .mpeg import frame_at
from .types import Audio, AudioError, big, in_milliseconds

Sound = tuple[int, int, bool]
"""Samples at most, samples per second, and whether it can be nothing else."""
Reader = Callable[[bytes, int, int], Sound]
"""Measures a packet: the file's bytes, where the packet begins (or NOWHERE), and how many bytes it has.

Reads no more than the packet's headers, because packets of hostile files overlap.
"""
# The position of a packet that players do not agree on.
NOWHERE = -1

# Opus always decodes at 48 kHz, and a packet holds at most 120 ms.
OPUS_RATE = 48_000
OPUS_SAMPLES_MAX = 5760
# By configuration: twelve of SILK, four hybrid ones, sixteen of CELT.
_OPUS_FRAMES = (480, 960, 1920, 2880) * 3 + (480, 960) * 2 + (120, 240, 480, 960) * 4
_AC3_SYNC = b"\x0b\x77"
_AC3_RATES = (48_000, 44_100, 32_000)
_AC3_KBITS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
_AC3_BLOCK_SAMPLES, _AC3_BLOCKS = 256, (1, 2, 3, 6)
_AC3_FRAMES_MAX = 64
_AC3_ID_MAX, _EAC3_ID_MAX = 10, 16
_DEPENDENT = 1


class PacketTotals:
    """Adds up the packets of a track, whose rates may differ."""

    __slots__ = ("_samples", "exact", "packets")

    def __init__(self) -> None:
        self._samples: Counter[int] = Counter()
        self.packets = 0
        self.exact = True

    def add(self, sound: Sound, times: int = 1) -> None:
        samples, rate, exact = sound
        self._samples[rate] += times * samples
        self.packets += times
        self.exact = self.exact and exact

    def read(self, reader: Reader, data: bytes, at: int, size: int) -> None:
        """Add a packet. One behind the end of a truncated file counts, but without any sound."""
        if at >= len(data) or (not size and at != NOWHERE):
            self.packets += 1
        else:
            self.add(reader(data, at, size))

    def audio(self, ending: str, claim: int) -> Audio:
        most = sum(in_milliseconds(count, rate) for rate, count in self._samples.items())
        return Audio.claimed(ending, claim, most, exact=self.exact)


def opus_packet(data: bytes, at: int, size: int) -> Sound:
    if at == NOWHERE:
        return OPUS_SAMPLES_MAX, OPUS_RATE, False
    return opus_samples(data[at : at + min(size, 2)]), OPUS_RATE, True


def opus_samples(packet: bytes) -> int:
    """Samples of a packet at 48 kHz, by its first two bytes (RFC 6716, 3.1)."""
    if not packet:
        return 0
    frame, code = _OPUS_FRAMES[packet[0] >> 3], packet[0] & 3
    count = (packet[1] & 63 if len(packet) > 1 else 0) if code == 3 else 1 + (code > 0)
    return min(frame * count, OPUS_SAMPLES_MAX)


def mpeg_packet(data: bytes, at: int, size: int) -> Sound:
    """One frame of layer I, II or III. Raises AudioError for anything else: decoders would search it for frames."""
    frame = frame_at(data, at) if at >= 0 and size >= 4 else None
    if frame is None or (frame[0] != size and at + size < len(data)):
        raise AudioError("The MP3 in the file is not cut into frames: send it as an .mp3 file.")
    return frame[1], frame[2], True


def ac3_packet(data: bytes, at: int, size: int) -> Sound:
    """Whole frames of AC-3 or E-AC-3. Raises AudioError for anything else: decoders would search it for frames."""
    end, samples, rates = min(at + size, len(data)), 0, set[int]()
    for number in range(_AC3_FRAMES_MAX):
        frame = _ac3_frame(data[at : at + 6]) if at >= 0 else None
        if frame is None:
            break
        length, count, rate, dependent = frame
        # A frame that depends on the one before it only adds channels.
        samples += 0 if number and dependent else count
        rates.add(rate)
        at += length
        if at == end or at > len(data):
            return samples, min(rates), True
    raise AudioError("The AC-3 in the file is not cut into frames: send it in another format.")


def _ac3_frame(head: bytes) -> tuple[int, int, int, bool] | None:
    """Bytes, samples, samples per second, and whether it depends on another frame (ATSC A/52, 5.4.1 and E.2.3.1)."""
    if len(head) < 6 or not head.startswith(_AC3_SYNC):
        return None
    code, identity = head[4] >> 6, head[5] >> 3
    if identity <= _AC3_ID_MAX:
        kbits = (head[4] & 63) >> 1
        if code == 3 or kbits >= len(_AC3_KBITS):
            return None
        # The bits of 1536 samples, in words of two bytes.
        words = _AC3_KBITS[kbits] * 1000 * 96 // _AC3_RATES[code] + (head[4] & 1 if code == 1 else 0)
        return 2 * words, 6 * _AC3_BLOCK_SAMPLES, _AC3_RATES[code] >> max(0, identity - 8), False
    half = head[4] >> 4 & 3
    if identity > _EAC3_ID_MAX or (code == 3 and half == 3):
        return None
    blocks, rate = (6, _AC3_RATES[half] // 2) if code == 3 else (_AC3_BLOCKS[half], _AC3_RATES[code])
    length = 2 * ((big(head, 2, 2) & 0x7FF) + 1)
    return length, blocks * _AC3_BLOCK_SAMPLES, rate, head[2] >> 6 == _DEPENDENT
