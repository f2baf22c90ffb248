"""A track of WebM and Matroska: which codec it says it is, and how its frames are read."""

from dataclasses import dataclass, field

from . import aac, vorbis
from .found import AudioError
from .packets import Heard, Reader, Sound, ac3_packet, mpeg_packet, opus_packet

SOUND = 2
RATE_DEFAULT = 8000
_AAC, _VORBIS = b"A_AAC", b"A_VORBIS"
_READERS: dict[bytes, Reader] = {
    b"A_OPUS": opus_packet,
    b"A_MPEG/L3": mpeg_packet,
    b"A_MPEG/L2": mpeg_packet,
    b"A_AC3": ac3_packet,
    b"A_EAC3": ac3_packet,
}
_PCM = frozenset((b"A_PCM/INT/LIT", b"A_PCM/INT/BIG", b"A_PCM/FLOAT/IEEE"))


@dataclass(slots=True)
class Track:
    """`ends` is the timestamp of its last block, in the file's units; `rates` are all that it says."""

    number: int = 0
    kind: int = 0
    codec: bytes = b""
    rates: list[int] = field(default_factory=list)
    channels: int = 1
    bits: int = 0
    private: bytes | None = None
    ends: int = 0
    heard: Heard = field(default_factory=Heard)
    _reader: Reader | None = None

    def take(self, data: bytes, at: int, size: int) -> None:
        """A frame; raises AudioError if its length cannot be known."""
        if self._reader is None:
            self._reader = self._find()
        if size > 0:
            self.heard.add(self._reader(data, at, size))

    def _find(self) -> Reader:
        rate = max(1, min(self.rates, default=RATE_DEFAULT))
        if self.codec in _READERS:
            return _READERS[self.codec]
        if self.codec.startswith(_AAC):
            return aac.reader(self.private, rate)
        if self.codec == _VORBIS:
            return vorbis.reader(self.private or b"")
        if self.codec in _PCM:
            return self._values(rate)
        raise AudioError("The sound in the WebM file is of a kind that cannot be measured: send it in another format.")

    def _values(self, rate: int) -> Reader:
        frame = max(1, self.channels * self.bits // 8)

        def read(data: bytes, at: int, size: int) -> Sound:
            return size // frame, size, rate

        return read
