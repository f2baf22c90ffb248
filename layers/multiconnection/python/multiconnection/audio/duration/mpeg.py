"""MPEG audio (mp3, mpga): each frame header states its length in bytes and samples. Xing's summary is not believed."""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator

from .types import Audio, AudioError, Steps, big, in_milliseconds

# Players look this far for the first frame.
JUNK_BYTES_MAX = 8192
TAGS_MAX = 16
# From three equal frames in a row on, all players agree where frames begin.
AGREED_SAMPLES = 3 * 1152
_SUMMARIES = (b"Xing", b"Info", b"VBRI")
# First bytes of other audio formats whose names are not letters: ASF, AC-3, DTS, AAC (ADTS), MPEG-TS, LOAS.
_OTHERS = (
    b"\x30\x26\xb2\x75",
    b"\x0b\x77",
    b"\x77\x0b",
    b"\x7f\xfe",
    b"\xfe\x7f",
    b"\x1f\xff",
    b"\xff\x1f",
    b"\x47",
    b"\x56",
)
# By version (1, or 2 for MPEG 2 and 2.5) and layer (ISO 11172-3, 2.4.1.3, and 13818-3).
_KBITS = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
RATE_MAX = 48_000
_WINDOW_BYTES = 1 << 12
_SIGN = re.compile(rb"\xff(?=[\xe2-\xff])")
Frame = tuple[int, int, int]
"""Bytes, samples, samples per second."""


def measure(data: bytes, steps: Steps) -> Audio:
    """Measure a file of nothing but MPEG audio and tags.

    Raises AudioError if a player may take it for another format.
    """
    start = after_tags(data)
    if _is_something_else(data, start):
        raise AudioError("The file begins with data that is not MPEG audio: remove it.")
    return span("mp3", data, start, steps)


def span(ending: str, data: bytes, start: int, steps: Steps) -> Audio:
    """Measure from `start` on; raises AudioError.

    As long as equal frames follow each other, no player can hear others. From where they do not, everything counts that
    may look like a frame to some player.
    """
    first = first_frame(data, start)
    if first is None:
        raise AudioError("The file contains no MPEG audio.")
    agreed, last, end = _agreed(data, first, steps)
    claim = _milliseconds(agreed + _following(data, end, steps))
    if agreed.total() < AGREED_SAMPLES or data[start:first].strip(b"\x00"):
        most = _longest_ms(data, start, steps)
    else:
        # The last of them may already be read like the data that follows.
        most = _milliseconds(agreed) + _longest_ms(data, last, steps) - _longest_ms(data[last:end], 0, steps)
    return Audio.claimed(ending, claim, max(claim, most))


def after_tags(data: bytes) -> int:
    """Position behind the ID3v2 tags at the beginning; a tag that claims more than the file has is not believed."""
    at = 0
    for _ in range(TAGS_MAX):
        end = _after_tag(data, at)
        if end is None:
            break
        at = end
    return at


def first_frame(data: bytes, start: int) -> int | None:
    """Position of the first frame that another one, or the end of the file, follows."""
    at = data.find(b"\xff", start)
    while 0 <= at <= start + JUNK_BYTES_MAX:
        if _is_followed(data, at):
            return at
        at = data.find(b"\xff", at + 1)
    return None


def frame_at(data: bytes, at: int) -> Frame | None:
    return _FRAMES.get(data[at + 1] << 8 | data[at + 2]) if at + 3 < len(data) and data[at] == 0xFF else None


def _agreed(data: bytes, first: int, steps: Steps) -> tuple[Counter[int], int, int]:
    """Samples by rate of the equal frames from the first one on, where the last of them begins, and where it ends."""
    samples: Counter[int] = Counter()
    at = last = first
    frame = frame_at(data, at)
    while frame is not None and _alike(data, first, at):
        steps.take()
        if at != first or not _is_summary(data, at):
            samples[frame[2]] += frame[1]
        last, at = at, at + frame[0]
        frame = frame_at(data, at)
    return samples, last, at


def _following(data: bytes, at: int, steps: Steps) -> Counter[int]:
    """Samples by rate of the frames behind those. As in decoders, only tags at the beginning are stepped over."""
    samples: Counter[int] = Counter()
    while 0 <= at < len(data) - 3:
        steps.take()
        frame = frame_at(data, at)
        if frame is None:
            at = data.find(b"\xff", at + 1)
            continue
        samples[frame[2]] += frame[1]
        at += frame[0]
    return samples


def _milliseconds(samples: Counter[int]) -> int:
    return sum(in_milliseconds(count, rate) for rate, count in samples.items())


def _longest_ms(data: bytes, start: int, steps: Steps) -> int:
    return in_milliseconds(_longest_us(data, start, steps), 1_000_000)


def _longest_us(data: bytes, start: int, steps: Steps) -> int:
    """Microseconds of the frames that a decoder could find from `start` on, wherever it begins to look.

    Among all signs of frames, those that do not overlap and last longest: the best from each sign on is known once the
    best from all later ones is. Where the rate changes, some players take the next frame's for the current one.
    """
    # From the last sign to the first, keeping no more of them than a frame has bytes. Positions are negative so that
    # they ascend.
    signs, best, rates = [0], [0], [RATE_MAX]
    for position in _signs(data, start, steps):
        size, samples, rate = _FRAMES[data[position + 1] << 8 | data[position + 2]]
        after = max(0, bisect_right(signs, -position - size, 1) - 1)
        lasting = -(-samples * 1_000_000 // min(rate, rates[after]))
        signs.append(-position)
        best.append(max(best[-1], best[after] + lasting))
        rates.append(rate)
        if len(signs) > 2 * FRAME_BYTES_MAX:
            for kept in (signs, best, rates):
                del kept[1 : FRAME_BYTES_MAX - 1]
    return best[-1]


def _signs(data: bytes, start: int, steps: Steps) -> Iterator[int]:
    """Positions of everything that looks like a frame header, from the last to the first."""
    for end in range(len(data), start, -_WINDOW_BYTES):
        begin = max(start, end - _WINDOW_BYTES)
        steps.scan(_WINDOW_BYTES)
        found = []
        for sign in _SIGN.finditer(data, begin, end + 1):
            steps.take()
            if frame_at(data, sign.start()):
                found.append(sign.start())
        yield from reversed(found)


def _is_followed(data: bytes, at: int) -> bool:
    frame = frame_at(data, at)
    if frame is None:
        return False
    following = at + frame[0]
    return following + 3 >= len(data) or frame_at(data, following) is not None


def _alike(data: bytes, at: int, other: int) -> bool:
    """True if two headers have the same version, layer and rate."""
    return (data[at + 1] ^ data[other + 1]) & 0x1E == 0 == (data[at + 2] ^ data[other + 2]) & 0x0C


def _is_something_else(data: bytes, start: int) -> bool:
    """True if players may recognise another format by the bytes in front of the first frame."""
    junk = data[start : first_frame(data, start)]
    if not junk.strip(b"\x00"):
        return False
    if junk.startswith(b"ID3"):  # a broken tag
        return False
    return _is_word(junk[:3]) or _is_word(junk[4:8]) or junk.startswith(_OTHERS)


def _is_word(name: bytes) -> bool:
    return len(name) >= 3 and all(0x20 <= letter < 0x7F for letter in name)


def _after_tag(data: bytes, at: int) -> int | None:
    if data[at : at + 3] != b"ID3":
        return None
    size = 0
    for digit in data[at + 6 : at + 10]:
        if digit > 0x7F:
            return None
        size = size << 7 | digit
    end = at + 10 + size + (10 if big(data, at + 5, 1) & 0x10 else 0)
    return end if end < len(data) else None


def _is_summary(data: bytes, at: int) -> bool:
    """True if the first frame is silence that carries an encoder's notes."""
    return any(word in data[at + 4 : at + 44] for word in _SUMMARIES)


def _frame(second: int, third: int) -> Frame | None:
    """The frame that the second and third byte of a header announce."""
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
FRAME_BYTES_MAX = max(size for size, _, _ in _FRAMES.values())
