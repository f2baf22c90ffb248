"""MPEG audio (mp3, mpga): every frame says how long it is, in bytes and in samples. Xing's claims are not believed."""

from collections import Counter

from .found import Audio, AudioError, Steps, big, in_milliseconds
from .mpeg_frames import alike, frame_at, longest

# Players look this far for the first frame.
JUNK_BYTES_MAX = 8192
TAGS_MAX = 16
# Three equal frames in a row, and everybody agrees where they begin.
AGREED_SAMPLES = 3 * 1152
_SUMMARIES = (b"Xing", b"Info", b"VBRI")
# Of other formats with sound, where their names are no letters: ASF, AC-3, DTS, AAC (ADTS), MPEG-TS, LOAS.
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


def measure(data: bytes, steps: Steps) -> Audio:
    """Raises AudioError."""
    start = after_tags(data)
    if _is_something_else(data, start):
        raise AudioError("The file begins with something that is no MPEG audio: cut it off.")
    return span("mp3", data, start, steps)


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


def span(ending: str, data: bytes, start: int, steps: Steps) -> Audio:
    """From `start` on; raises AudioError.

    As long as equal frames follow each other, nobody can hear others. From where they do not, everything counts that
    looks like a frame to anybody.
    """
    first = first_frame(data, start)
    if first is None:
        raise AudioError("The file has no MPEG audio in it.")
    agreed, last, end = _agreed(data, first, steps)
    said = _milliseconds(agreed + _following(data, end, steps))
    if agreed.total() < AGREED_SAMPLES or data[start:first].strip(b"\x00"):
        most = _longest(data, start, steps)
    else:
        # The last of them may already be heard like what comes then.
        most = _milliseconds(agreed) + _longest(data, last, steps) - _longest(data[last:end], 0, steps)
    return Audio.claimed(ending, said, max(said, most))


def _agreed(data: bytes, first: int, steps: Steps) -> tuple[Counter[int], int, int]:
    """Samples by rate of the equal frames from the first one on, where the last of them begins, and where it ends."""
    samples: Counter[int] = Counter()
    at = last = first
    frame = frame_at(data, at)
    while frame is not None and alike(data, first, at):
        steps.take()
        if at != first or not _is_summary(data, at):
            samples[frame[2]] += frame[1]
        last, at = at, at + frame[0]
        frame = frame_at(data, at)
    return samples, last, at


def _following(data: bytes, at: int, steps: Steps) -> Counter[int]:
    """Tags are stepped over only at the beginning, as decoders do."""
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


def _longest(data: bytes, start: int, steps: Steps) -> int:
    return in_milliseconds(longest(data, start, steps), 1_000_000)


def _is_followed(data: bytes, at: int) -> bool:
    frame = frame_at(data, at)
    if frame is None:
        return False
    following = at + frame[0]
    return following + 3 >= len(data) or frame_at(data, following) is not None


def _is_something_else(data: bytes, start: int) -> bool:
    """Whether players may take the file for another format, whose beginning lies in front of the first frame."""
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
    """The first frame may be silence that carries an encoder's notes."""
    return any(word in data[at + 4 : at + 44] for word in _SUMMARIES)
