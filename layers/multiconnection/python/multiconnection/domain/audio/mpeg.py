"""MPEG audio (mp3, mpga): every frame says how long it is, in bytes and in samples. Xing's claims are not believed."""

from collections import Counter

from .found import Audio, AudioError, Steps, big, in_milliseconds

# Players look this far for the first frame.
JUNK_BYTES_MAX = 8192
TAGS_MAX = 16
_KBITS = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_SUMMARIES = (b"Xing", b"Info", b"VBRI")

Frame = tuple[int, int, int]
"""Bytes, samples, samples per second."""


def _frame(second: int, third: int) -> Frame | None:
    """Of the header's second and third byte; ISO 11172-3, 2.4.1.3 and 13818-3."""
    version, layer = second >> 3 & 3, 4 - (second >> 1 & 3)
    bitrate, rate, padding = third >> 4, third >> 2 & 3, third >> 1 & 1
    if version == 1 or layer == 4 or bitrate in (0, 15) or rate == 3:
        return None
    hertz = _RATES[version][rate]
    bits = 1000 * _KBITS[1 if version == 3 else 2, layer][bitrate - 1]
    if layer == 1:
        return (12 * bits // hertz + padding) * 4, 384, hertz
    samples = 576 if layer == 3 and version != 3 else 1152
    return samples // 8 * bits // hertz + padding, samples, hertz


_FRAMES = {
    second << 8 | third: frame
    for second in range(0xE0, 256)
    for third in range(256)
    if (frame := _frame(second, third)) is not None
}


def measure(data: bytes, steps: Steps) -> Audio:
    """Raises AudioError."""
    return Audio("mp3", *span(data, after_tags(data), steps))


def after_tags(data: bytes) -> int:
    """Where the ID3v2 tags at the beginning end; a tag that claims more than there is, is not believed."""
    at = 0
    for _ in range(TAGS_MAX):
        end = _after_tag(data, at)
        if end is None:
            break
        at = end
    return at


def first_frame(data: bytes, start: int) -> int | None:
    """The first frame that another one, or the end of the file, follows."""
    at = data.find(b"\xff", start)
    while 0 <= at <= start + JUNK_BYTES_MAX:
        if _is_followed(data, at):
            return at
        at = data.find(b"\xff", at + 1)
    return None


def span(data: bytes, start: int, steps: Steps) -> tuple[int, int]:
    """Milliseconds from `start` on, twice; raises AudioError."""
    first = first_frame(data, start)
    if first is None:
        raise AudioError("The file has no MPEG audio in it.")
    samples: Counter[int] = Counter()
    at = first
    while 0 <= at < len(data) - 3:
        steps.take()
        frame = _at(data, at)
        if frame is None:
            at = _resumed(data, at)
            continue
        if at != first or not _is_summary(data, at):
            samples[frame[2]] += frame[1]
        at += frame[0]
    length = sum(in_milliseconds(count, rate) for rate, count in samples.items())
    return length, length


def _at(data: bytes, at: int) -> Frame | None:
    return _FRAMES.get(data[at + 1] << 8 | data[at + 2]) if data[at] == 0xFF else None


def _is_followed(data: bytes, at: int) -> bool:
    frame = _at(data, at) if at + 3 < len(data) else None
    if frame is None:
        return False
    following = at + frame[0]
    return following + 3 >= len(data) or _at(data, following) is not None


def _resumed(data: bytes, at: int) -> int:
    """At the next sign of a frame, or -1; tags are stepped over only at the beginning, as decoders do."""
    return data.find(b"\xff", at + 1)


def _after_tag(data: bytes, at: int) -> int | None:
    if data[at : at + 3] != b"ID3":
        return None
    digits = data[at + 6 : at + 10]
    size = 0
    for digit in digits:
        size = size << 7 | digit & 0x7F
    end = at + 10 + size + (10 if big(data, at + 5, 1) & 0x10 else 0)
    return end if end < len(data) else None


def _is_summary(data: bytes, at: int) -> bool:
    """The first frame may be silence that carries an encoder's notes."""
    return any(word in data[at + 4 : at + 44] for word in _SUMMARIES)
