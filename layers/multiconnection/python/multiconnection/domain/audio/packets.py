"""What a container's packets sound like, by codec: each tells how many samples it is, at least and at most."""

from collections import Counter
from collections.abc import Callable

from . import opus
from .found import AudioError, in_milliseconds
from .mpeg_frames import frame_at

Sound = tuple[int, int, int]
"""Samples at least, samples at most, samples per second."""
Reader = Callable[[bytes, int, int], Sound]
"""Of the file's bytes, where the packet begins (NOWHERE: that is not known), and how many bytes it has."""
NOWHERE = -1
SILENCE: Sound = (0, 0, 1)
AC3_SYNC, AC3_SWAPPED = b"\x0b\x77", b"\x77\x0b"
AC3_SAMPLES, AC3_BLOCK_SAMPLES = 1536, 256
AC3_RATE_MIN = 8000


class Heard:
    """Adds up packets of possibly different rates."""

    __slots__ = ("_sounds", "packets")

    def __init__(self) -> None:
        self._sounds: Counter[Sound] = Counter()
        self.packets = 0

    def add(self, sound: Sound, times: int = 1) -> None:
        self._sounds[sound] += times
        self.packets += times

    @property
    def least(self) -> int:
        """Milliseconds."""
        return self._sum(0)

    @property
    def most(self) -> int:
        """Milliseconds."""
        return self._sum(1)

    def _sum(self, which: int) -> int:
        samples: Counter[int] = Counter()
        for sound, times in self._sounds.items():
            samples[sound[2]] += times * sound[which]
        return sum(in_milliseconds(count, rate) for rate, count in samples.items())


def opus_packet(data: bytes, at: int, size: int) -> Sound:
    if at == NOWHERE:
        return 0, opus.PACKET_SAMPLES_MAX, opus.RATE
    samples = opus.samples(data[at : at + min(size, 2)])
    return samples, samples, opus.RATE


def mpeg_packet(data: bytes, at: int, size: int) -> Sound:
    """One frame of layer I, II or III: decoders would look for frames anywhere in what is not."""
    frame = frame_at(data, at) if at >= 0 and size >= 4 else None
    if frame is None or (frame[0] != size and at + size < len(data)):
        raise AudioError("The MP3 in the file is not cut into frames: send it as an .mp3 file.")
    return frame[1], frame[1], frame[2]


def ac3_packet(data: bytes, at: int, size: int) -> Sound:
    """AC-3 and E-AC-3: every frame begins with a mark, which also turns up by chance."""
    if at == NOWHERE:
        raise AudioError("The AC-3 in the file cannot be found.")
    packet = data[at : at + size]
    marks = packet.count(AC3_SYNC) + packet.count(AC3_SWAPPED)
    # A mark may be divided between two packets.
    marks += packet.endswith((AC3_SYNC[:1], AC3_SYNC[1:]))
    rate = _ac3_rate(packet) if marks == 1 else None
    return (AC3_BLOCK_SAMPLES, AC3_SAMPLES, rate) if rate else (0, max(1, marks) * AC3_SAMPLES, AC3_RATE_MIN)


def _ac3_rate(packet: bytes) -> int | None:
    """ATSC A/52, 5.4.1 and E.2.3.1."""
    if len(packet) < 6 or not packet.startswith(AC3_SYNC):
        return None
    code, kind = packet[4] >> 6, packet[5] >> 3
    if code < 3:
        return (48_000, 44_100, 32_000)[code] >> max(0, min(kind, 10) - 8 if kind <= 10 else 0)
    half = packet[4] >> 4 & 3
    return (24_000, 22_050, 16_000)[half] if kind > 10 and half < 3 else None
