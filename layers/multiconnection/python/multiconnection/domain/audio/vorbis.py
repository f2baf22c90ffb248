"""Vorbis: the first header says the rate and the two sizes of blocks (Vorbis I, 4.2.2)."""

from dataclasses import dataclass

from .found import AudioError, little
from .packets import Reader, Sound

IDENTIFICATION = b"\x01vorbis"
HEADER_BYTES = 30
# Two headers are laced in front of the third one in Matroska.
_LACED = 2


@dataclass(frozen=True, slots=True)
class Header:
    rate: int
    short: int
    long: int

    def or_longer(self, other: "Header") -> "Header":
        """Decoders begin anew with every header that they meet."""
        return Header(min(self.rate, other.rate), min(self.short, other.short), max(self.long, other.long))


def header(packet: bytes) -> Header:
    """Raises AudioError."""
    sizes = little(packet, 28, 1)
    rate, short, long = little(packet, 12, 4), 1 << (sizes & 15), 1 << (sizes >> 4)
    if (
        not packet.startswith(IDENTIFICATION)
        or len(packet) < HEADER_BYTES
        or not rate
        or not 64 <= short <= long <= 8192
    ):
        raise AudioError("The Vorbis header is not valid.")
    return Header(rate, short, long)


def reader(private: bytes) -> Reader:
    """Of Matroska's CodecPrivate; a packet and the one before it overlap by half."""
    if private[:2] != bytes((_LACED, HEADER_BYTES)):
        raise AudioError("The Vorbis sound has no header.")
    at = 2
    while private[at : at + 1] == b"\xff":
        at += 1
    found = header(private[at + 1 : at + 1 + HEADER_BYTES])
    sound: Sound = (found.short // 2, found.long // 2, found.rate)

    def read(data: bytes, at: int, size: int) -> Sound:
        if data[at] & 1:
            raise AudioError("The Vorbis sound changes in the middle.")
        return sound

    return read
