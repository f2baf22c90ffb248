"""Ogg: pages of packets. Opus packets tell their length; Vorbis packets have a longest and a shortest one."""

from dataclasses import dataclass

from . import opus
from .found import Audio, AudioError, Steps, in_milliseconds, little

HEADER_BYTES = 27
_NO_POSITION = 0xFFFFFFFFFFFFFFFF
_HEADERS = {"opus": 2, "vorbis": 3}


@dataclass(slots=True)
class _Stream:
    """One logical stream. `position` is the granule position of its last page that has one."""

    codec: str = ""
    rate: int = opus.RATE
    skipped: int = 0
    blocks: tuple[int, int] = (0, 0)
    packets: int = 0
    samples: int = 0
    position: int = 0
    continued: bool = False

    def begin(self, packet: bytes) -> None:
        """The first packet names the codec."""
        if packet.startswith(b"OpusHead"):
            self.codec, self.skipped = "opus", little(packet, 10, 2)
        elif packet.startswith(b"\x01vorbis"):
            self.codec, self.rate = "vorbis", little(packet, 12, 4)
            self.blocks = (1 << (little(packet, 28, 1) & 15), 1 << (little(packet, 28, 1) >> 4))
        elif packet.startswith((b"Speex   ", b"\x7fFLAC")):
            self.codec = "flac" if packet.startswith(b"\x7fFLAC") else "other"

    def take(self, packet: bytes) -> None:
        """The first bytes of one packet."""
        if not self.packets:
            self.begin(packet)
        self.packets += 1
        if self.codec == "opus" and self.packets > _HEADERS["opus"]:
            self.samples += opus.samples(packet[:2])

    def length(self) -> Audio:
        if self.codec == "opus":
            end = self.position if 0 < self.samples - self.position <= opus.PACKET_SAMPLES_MAX else self.samples
            return Audio.exact("ogg", in_milliseconds(max(0, end - self.skipped), opus.RATE))
        packets, (short, long) = max(0, self.packets - _HEADERS["vorbis"]), self.blocks
        # The first packet only prepares the second, and of the last one a part may be cut off.
        least, most = (packets - 2) * short // 2, packets * long // 2
        believed = least <= self.position <= most
        longest = in_milliseconds(most, self.rate)
        said = in_milliseconds(self.position, self.rate) if believed else longest
        return Audio("ogg", said, longest, measured=believed)


def measure(data: bytes, steps: Steps) -> Audio:
    """All streams one after the other, as in a chained file. Raises AudioError."""
    streams = _walk(data, steps)
    if any(stream.codec == "flac" for stream in streams):
        raise AudioError("FLAC cannot be measured inside of Ogg: send it as a .flac file.")
    if any(stream.codec == "other" for stream in streams):
        return Audio.floor("ogg", len(data))
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
        at = _page(data, at, current[serial], steps)
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
