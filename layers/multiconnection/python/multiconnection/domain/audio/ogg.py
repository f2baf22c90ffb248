"""Ogg: pages of packets. Opus packets tell their length; Vorbis packets have a longest and a shortest one."""

import zlib
from dataclasses import dataclass

from . import opus, vorbis
from .found import Audio, AudioError, Steps, in_milliseconds, little

HEADER_BYTES = 27
# Pictures, texts, and an index.
_SILENT = (b"\x80theora", b"OVP80", b"BBCD\x00", b"\x80kate", b"CMML", b"fishead\x00", b"\x01video", b"\x01text")
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_NO_POSITION = 0xFFFFFFFFFFFFFFFF
_HEADERS = {"opus": 2, "vorbis": 3}


@dataclass(slots=True)
class _Stream:
    """One logical stream. `position` is the granule position of its last page that has one."""

    codec: str = ""
    header: vorbis.Header | None = None
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

    def take(self, packet: bytes) -> None:
        """The first bytes of one packet."""
        if not self.packets:
            self.begin(packet)
        self.packets += 1
        if self.codec == "opus" and self.packets > _HEADERS["opus"]:
            self.samples += opus.samples(packet[:2])
        elif self.codec == "vorbis" and packet.startswith(vorbis.IDENTIFICATION):
            found = vorbis.header(packet)
            self.header = self.header.or_longer(found) if self.header else found

    def length(self) -> Audio:
        if self.header is not None:
            return self._vorbis(self.header)
        most = in_milliseconds(self.samples, opus.RATE)
        end = self.position if 0 < self.samples - self.position <= opus.PACKET_SAMPLES_MAX else self.samples
        return Audio("ogg", in_milliseconds(max(0, end - self.skipped), opus.RATE), most)

    def _vorbis(self, header: vorbis.Header) -> Audio:
        packets = max(0, self.packets - _HEADERS["vorbis"])
        # The first packet only prepares the second, and of the last one a part may be cut off.
        least, most = (packets - 2) * header.short // 2, packets * header.long // 2
        believed = least <= self.position <= most
        longest = in_milliseconds(most, header.rate)
        said = in_milliseconds(self.position, header.rate) if believed else longest
        return Audio("ogg", said, longest, measured=believed)


def measure(data: bytes, steps: Steps) -> Audio:
    """All streams one after the other, as in a chained file. Raises AudioError."""
    streams = _walk(data, steps)
    heard = [stream.length() for stream in streams if stream.codec]
    if not heard:
        raise AudioError("The Ogg file has no sound in it that is known.")
    said, most = sum(each.milliseconds for each in heard), sum(each.milliseconds_max for each in heard)
    return Audio("ogg", said, most, measured=all(each.measured for each in heard))


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
        end = _page(data, at, current[serial], steps)
        # Of a page that is not whole decoders look for another one inside of it.
        at = end if _is_whole(data[at:end]) else at + 1
    return streams


def _page(data: bytes, at: int, stream: _Stream, steps: Steps) -> int:
    """Returns where the next page is."""
    count = data[at + 26]
    lacing = data[at + HEADER_BYTES : at + HEADER_BYTES + count]
    steps.take(len(lacing))
    start = body = at + HEADER_BYTES + count
    fresh = not (data[at + 5] & 1 and stream.continued)
    for length in lacing:
        if fresh:
            stream.take(data[start : start + 64])
        start += length
        fresh = length < 255
    stream.continued = not fresh
    position = little(data, at + 6, 8)
    if position != _NO_POSITION:
        stream.position = position
    return body + sum(lacing)


def _is_whole(page: bytes) -> bool:
    """Its checksum is that of zlib with the bits in the other direction (RFC 3533, 6), and without inversions."""
    blank = (page[:22] + bytes(4) + page[26:]).translate(_REVERSED)
    found = zlib.crc32(blank, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{found:032b}"[::-1], 2) == little(page, 22, 4)
