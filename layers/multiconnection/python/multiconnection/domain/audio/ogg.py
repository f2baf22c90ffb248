"""Ogg: pages of packets. Opus packets tell their length, Vorbis packets the size of their block."""

import zlib
from dataclasses import dataclass, field

from . import opus, vorbis
from .found import Audio, AudioError, Steps, in_milliseconds, little

HEADER_BYTES = 27
# Chained and multiplexed ones; each has some hundred bytes of state.
STREAMS_MAX = 256
# Pictures, texts, and an index.
_SILENT = (b"\x80theora", b"OVP80", b"BBCD\x00", b"\x80kate", b"CMML", b"fishead\x00", b"\x01video", b"\x01text")
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_NO_POSITION = 0xFFFFFFFFFFFFFFFF
_HEADERS = {"opus": 2, "vorbis": 3}


@dataclass(slots=True)
class _Stream:
    """One logical stream. `position` is the granule position of its last page that has one, a claim.

    `whole` until something is found that decoders may read otherwise: then every block of Vorbis may be a long one.
    """

    codec: str = ""
    header: vorbis.Header | None = None
    setup: bytearray = field(default_factory=bytearray)
    blocks: vorbis.Blocks | None = None
    whole: bool = True
    skipped: int = 0
    packets: int = 0
    samples: int = 0
    position: int = 0
    continued: bool = False

    def begin(self, packet: bytes) -> None:
        """The first packet names the codec; raises AudioError if it is none that can be measured."""
        if packet.startswith(b"OpusHead"):
            self.codec, self.skipped = "opus", little(packet, 10, 2)
        elif packet.startswith(vorbis.IDENTIFICATION):
            self.codec = "vorbis"
        elif packet.startswith(b"\x7fFLAC"):
            raise AudioError("FLAC cannot be measured inside of Ogg: send it as a .flac file.")
        elif not packet.startswith(_SILENT):
            raise AudioError("In Ogg only Opus and Vorbis can be measured: send the sound in another format.")

    def take(self, packet: bytes, steps: Steps) -> None:
        """The first bytes of one packet."""
        if not self.packets:
            self.begin(packet)
        self.packets += 1
        if self.codec == "opus" and self.packets > _HEADERS["opus"]:
            self.samples += opus.samples(packet[:2])
        elif self.codec == "vorbis":
            self._vorbis(packet, steps)

    def collect(self, data: bytes, start: int, length: int) -> None:
        """The third header of Vorbis, which may be spread over pages; of pages that are whole, which do not overlap."""
        if self.packets == _HEADERS["vorbis"] and self.whole and len(self.setup) < vorbis.SETUP_BYTES_MAX:
            self.setup += data[start : start + length]

    def _vorbis(self, packet: bytes, steps: Steps) -> None:
        if packet.startswith(vorbis.IDENTIFICATION):
            found = vorbis.header(packet)
            self.header = self.header.or_longer(found) if self.header else found
        if self.packets <= _HEADERS["vorbis"]:
            return
        if self.packets == _HEADERS["vorbis"] + 1 and self.header:
            self.blocks = vorbis.blocks(self.header, bytes(self.setup), steps)
            self.setup.clear()
        if not packet:
            return
        if packet[0] & 1:
            self.whole = False
        elif self.blocks:
            self.samples += self.blocks.of(packet[0])

    def length(self) -> tuple[int, int]:
        """Milliseconds that it says, and at most."""
        if self.header is not None:
            return self._length_of_vorbis(self.header)
        most = in_milliseconds(self.samples, opus.RATE)
        end = self.position if 0 < self.samples - self.position <= opus.PACKET_SAMPLES_MAX else self.samples
        return in_milliseconds(max(0, end - self.skipped), opus.RATE), most

    def _length_of_vorbis(self, header: vorbis.Header) -> tuple[int, int]:
        samples = self.samples
        if not self.whole or self.blocks is None:
            samples = max(0, self.packets - _HEADERS["vorbis"]) * header.long // 2
        return in_milliseconds(self.position, header.rate), in_milliseconds(samples, header.rate)

    @property
    def exact(self) -> bool:
        return self.header is None or (self.whole and self.blocks is not None)


def measure(data: bytes, steps: Steps) -> Audio:
    """All streams one after the other, as in a chained file. Raises AudioError."""
    streams = [stream for stream in _walk(data, steps) if stream.codec]
    if not streams:
        raise AudioError("The Ogg file has no sound in it that is known.")
    said, most = (sum(lengths) for lengths in zip(*(stream.length() for stream in streams), strict=True))
    return Audio.claimed("ogg", said, most, exact=all(stream.exact for stream in streams))


def _walk(data: bytes, steps: Steps) -> list[_Stream]:
    streams: list[_Stream] = []
    current: dict[int, _Stream] = {}
    at = 0
    while 0 <= at < len(data) - HEADER_BYTES:
        steps.take()
        if data[at : at + 4] != b"OggS":
            at = data.find(b"OggS", at + 1)
            continue
        serial = little(data, at + 14, 4)
        if data[at + 5] & 2 or serial not in current:
            current[serial] = _Stream()
            streams.append(current[serial])
            if len(streams) > STREAMS_MAX:
                raise AudioError(f"The Ogg file has more than {STREAMS_MAX} streams.")
        start = at + HEADER_BYTES + data[at + 26]
        lacing = data[at + HEADER_BYTES : start]
        end = start + sum(lacing)
        steps.scan(end - at)
        # Of a page that is not whole decoders look for another one inside of it. Once the blocks are known, its packets
        # only add to theirs.
        whole = _is_whole(data[at:end])
        current[serial].whole &= whole or current[serial].blocks is not None
        _page(data, at, start, lacing, current[serial], steps)
        at = end if whole else at + 1
    return streams


def _page(data: bytes, at: int, start: int, lacing: bytes, stream: _Stream, steps: Steps) -> None:
    """The packets of the page at `at`, the first of which begins at `start`."""
    steps.take(len(lacing))
    fresh = not (data[at + 5] & 1 and stream.continued)
    stream.whole &= bool(data[at + 5] & 1) == stream.continued
    for length in lacing:
        if fresh:
            stream.take(data[start : start + 64], steps)
        stream.collect(data, start, length)
        start += length
        fresh = length < 255
    stream.continued = not fresh
    position = little(data, at + 6, 8)
    if position != _NO_POSITION:
        stream.position = position


def _is_whole(page: bytes) -> bool:
    """Its checksum is that of zlib with the bits in the other direction (RFC 3533, 6), and without inversions."""
    blank = (page[:22] + bytes(4) + page[26:]).translate(_REVERSED)
    found = zlib.crc32(blank, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{found:032b}"[::-1], 2) == little(page, 22, 4)
