"""The sample description of an MP4 track (`stsd`): which codec it is, and how its samples are read."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite

from . import aac
from .found import AudioError, Steps, big
from .packets import Reader, Sound, ac3_packet, mpeg_packet, opus_packet

# Samples are single values here, of so many bits; None: the entry says how many.
_BITS = {b"ulaw": 8, b"alaw": 8, b"in24": 24, b"in32": 32, b"fl32": 32, b"fl64": 64}
PCM: dict[bytes, int | None] = {
    **_BITS,
    **dict.fromkeys((b"sowt", b"twos", b"raw ", b"NONE", b"lpcm", b"ipcm", b"fpcm")),
}
_READERS: dict[bytes, Reader] = {
    b".mp3": mpeg_packet,
    b".mp2": mpeg_packet,
    b"Opus": opus_packet,
    b"ac-3": ac3_packet,
    b"ec-3": ac3_packet,
}
_AAC, _ALAC = b"mp4a", b"alac"
# Of other codecs: players hear them even in tracks that do not say that they are sound.
_REFUSED = frozenset(
    b"samr sawb sawp sevc sqcp secb Qclp QDM2 QDMC MAC3 MAC6 ima4 agsm ilbc NELL nmos spex SPXN mlpa WMA2 fLaC ac-4 "
    b"sac3 .mp1 dtsc dtsh dtsl dtse dtsx mha1 mhm1 dvca vdva XiFL enca".split()
)
ALAC_SAMPLES_MAX = 1 << 24
_HEAD_BYTES = {0: 36, 1: 52, 2: 72}
# Of the boxes inside of an entry: how many may be of use, the bytes of one that are read, and how deep `wave` may go.
_INNER = frozenset((b"esds", b"glbl", b"alac", b"pcmC"))
_INNER_MAX, _INNER_BYTES_MAX, _DEPTH_MAX = 16, 4096, 4
_NOT_UNDERSTOOD = "The MP4 file describes its sound in a way that is not understood."


@dataclass(frozen=True, slots=True)
class Entry:
    """`frame` is the bytes of one value in all channels, of PCM."""

    codec: bytes = b""
    rate: int = 0
    frame: int = 1
    reader: Reader | None = None

    @property
    def is_heard(self) -> bool:
        return self.codec in PCM or self.reader is not None

    @property
    def is_sound(self) -> bool:
        """By its codec, whatever the track says."""
        return self.is_heard or self.codec in _REFUSED or self.codec[:2] in (b"ms", b"TS")


def parse(data: bytes, at: int, end: int, steps: Steps) -> Entry:
    """Of a `stsd` box from its version on (ISO 14496-12, 8.5.2). Raises AudioError for what is not understood."""
    codec, begin = data[at + 12 : at + 16], at + 8
    head = _HEAD_BYTES.get(big(data, at + 24, 2))
    if codec not in (_AAC, _ALAC) and codec not in PCM and codec not in _READERS:
        return Entry(codec)
    if head is None or big(data, at + 4, 4) != 1:
        raise AudioError(_NOT_UNDERSTOOD)
    rate = _rate(data, begin, head)
    inner = list(_children(data, begin + head, min(end, begin + big(data, begin, 4)), steps))
    if codec == _AAC:
        return Entry(codec, rate, reader=_aac(inner, rate))
    if codec == _ALAC:
        return Entry(codec, rate, reader=_alac(inner, rate))
    if codec in PCM:
        return Entry(codec, rate, _frame_bytes(data, begin, head, PCM[codec] or _bits(inner)))
    return Entry(codec, rate, reader=_READERS[codec])


def _rate(data: bytes, begin: int, head: int) -> int:
    if head < _HEAD_BYTES[2]:
        return big(data, begin + 32, 2)
    value: float = struct.unpack(">d", data[begin + 40 : begin + 48].ljust(8, b"\x00"))[0]
    return int(value) if isfinite(value) and 0 < value < 1e9 else 0


def _frame_bytes(data: bytes, begin: int, head: int, bits: int | None) -> int:
    channels, own = big(data, begin + 24, 2), big(data, begin + 26, 2)
    if head == _HEAD_BYTES[2]:
        channels, own = big(data, begin + 48, 4), big(data, begin + 56, 4)
    if head == _HEAD_BYTES[1] and big(data, begin + 36, 4) > 1:
        raise AudioError("The MP4 file packs its samples in a way that is not understood.")
    return max(1, channels * ((bits or own) // 8))


def _bits(inner: list[tuple[bytes, bytes]]) -> int | None:
    """Of ISO 23003-5."""
    return next((content[5] for kind, content in inner if kind == b"pcmC" and len(content) > 5), None)


def _children(data: bytes, at: int, end: int, steps: Steps) -> Iterator[tuple[bytes, bytes]]:
    """The boxes of use in the entry and in QuickTime's `wave`, each with its content."""
    found, ends = 0, [end]
    while ends:
        steps.take()
        size, kind = big(data, at, 4), data[at + 4 : at + 8]
        if at + 8 > ends[-1] or size < 8:
            at = ends.pop()
            continue
        after = min(ends[-1], at + size)
        if kind == b"wave":
            if len(ends) > _DEPTH_MAX:
                raise AudioError(_NOT_UNDERSTOOD)
            ends.append(after)
            at += 8
            continue
        if kind in _INNER:
            found += 1
            if found > _INNER_MAX:
                raise AudioError(_NOT_UNDERSTOOD)
            yield kind, data[at + 8 : min(after, at + 8 + _INNER_BYTES_MAX)]
        at = after


def _aac(inner: list[tuple[bytes, bytes]], rate: int) -> Reader:
    """The rate is the decoder's own; without it the lowest that there is."""
    own = [content for kind, content in inner if kind == b"esds"]
    if len(own) != 1 or any(kind == b"glbl" for kind, _ in inner):
        return aac.reader(None, rate)
    return mpeg_packet if aac.is_mpeg(own[0]) else aac.reader(aac.specific(own[0]), rate)


def _alac(inner: list[tuple[bytes, bytes]], rate: int) -> Reader:
    """Its cookie says how long frames are; the rate may be anybody's."""
    cookies = [content for kind, content in inner if kind == _ALAC and len(content) >= 28]
    samples = max((big(cookie, 4, 4) for cookie in cookies), default=0)
    lowest = min((known for known in (rate, *(big(cookie, 24, 4) for cookie in cookies)) if known), default=0)
    if not 0 < samples <= ALAC_SAMPLES_MAX or not lowest:
        raise AudioError("The lossless sound in the MP4 file does not say how long its frames are.")
    sound: Sound = (samples, lowest, True)
    return lambda data, at, size: sound
