"""The result of a measurement, the budget that bounds it, and the bits and bytes that all formats read."""

from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Literal

# A walk may look at as many elements (frames, packets, boxes) as the file has bytes, each of them taking at least one,
# and at some more in tiny files. The cap is a second or two; 25 MB at the lowest bit rates in use have fewer elements.
STEPS_OF_ANY_FILE = 20_000
STEPS_MAX = 1_000_000
# Searching bytes is cheaper than looking at an element by this much.
BYTES_PER_STEP = 512
# How often the clock is read, about every millisecond, and how long the thread then sleeps: without the pause the event
# loop would wait five milliseconds for the interpreter in each of its turns.
STEPS_PER_LOOK = 1024
REST_S = 0.0001
SECONDS_MAX = 10.0
# A search holds the interpreter until it returns: this many bytes take about a millisecond.
WINDOW_BYTES = 1 << 16
# Sound whose frames cannot be read is taken to be as long as at 8 kbit/s, the lowest rate of MP3.
FLOOR_BYTES_PER_S = 1000
# How far below the most that its packets can be a container's claim is believed: encoders prime with a frame or two and
# trim the last one. A lower claim is replaced by the most.
SLACK_MS = 250
SLACK_PERCENT = 1


class AudioError(ValueError):
    """The file cannot be measured; the message is written for the caller."""


@dataclass(frozen=True, slots=True)
class Audio:
    """The measured length of a file. `ending` is the file name ending that fits the content.

    `milliseconds` is the length to charge where the provider reports none: the file's own claim where that is close to
    `milliseconds_max`, and `milliseconds_max` otherwise. No player that follows the format hears more than
    `milliseconds_max`; a file for which no such bound exists is refused. `measured` is False if the length is a guess.
    """

    ending: str
    milliseconds: int
    milliseconds_max: int
    measured: bool = True

    @classmethod
    def exact(cls, ending: str, milliseconds: int) -> "Audio":
        return cls(ending, milliseconds, milliseconds)

    @classmethod
    def claimed(cls, ending: str, claim: int, most: int, *, exact: bool = True) -> "Audio":
        """A container's claim, believed only where it is close to the most that its packets can be.

        `exact` means that the packets can be nothing else than `most`.
        """
        slack = SLACK_MS + most * SLACK_PERCENT // 100
        believed = most - slack <= claim <= most + slack
        return cls(ending, min(claim, most) if believed else most, most, measured=believed or exact)

    @classmethod
    def floor(cls, ending: str, size: int) -> "Audio":
        """`size` bytes of a codec whose frames cannot be read."""
        bound = in_milliseconds(size, FLOOR_BYTES_PER_S)
        return cls(ending, bound, bound, measured=False)


class Steps:
    """The budget of one file: a hostile one ends with AudioError instead of keeping the process busy.

    Every loop of every parser takes from it. `cancel` may be called from another thread.
    """

    __slots__ = ("_cancelled", "_deadline", "_left", "_look")

    def __init__(self, size: int, seconds: float = SECONDS_MAX) -> None:
        self._left = min(STEPS_OF_ANY_FILE + size, STEPS_MAX)
        self._look = self._left
        self._deadline = monotonic() + seconds
        self._cancelled = False

    def take(self, count: int = 1) -> None:
        self._left -= count
        if self._left < self._look:
            self._check()

    def scan(self, size: int) -> None:
        """Take the cost of searching or copying `size` bytes."""
        self.take(1 + size // BYTES_PER_STEP)

    def cancel(self) -> None:
        """End the walk the next time that it reads the clock."""
        self._cancelled = True

    def _check(self) -> None:
        if self._left < 0:
            raise AudioError("The audio file has too many parts to measure its length.")
        if self._cancelled or monotonic() > self._deadline:
            raise AudioError("The audio file takes too long to measure.")
        self._look = self._left - STEPS_PER_LOOK
        sleep(REST_S)


def windows(start: int, end: int, steps: Steps, size: int = WINDOW_BYTES) -> Iterator[tuple[int, int]]:
    """The pieces of a long search, each paid for before it is searched."""
    for begin in range(start, end, size):
        steps.scan(size)
        yield begin, min(end, begin + size)


def occurrences(data: bytes, mark: bytes, start: int, steps: Steps) -> int:
    """Count a `mark` that cannot overlap itself."""
    return sum(data.count(mark, begin, end + len(mark) - 1) for begin, end in windows(start, len(data), steps))


def in_milliseconds(samples: int, rate: int) -> int:
    """Rounded up; 0 where the rate is unknown."""
    return -(-samples * 1000 // rate) if rate > 0 else 0


def big(data: bytes, at: int, size: int) -> int:
    """An unsigned big-endian number. Bytes behind the end are left out: a short number, never an exception."""
    return int.from_bytes(data[at : at + size], "big")


def little(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "little")


class Bits:
    """Reads fields of up to 32 bits one after the other, each for one step of the budget.

    `order` is "big" where the highest bit of a byte comes first, as in MPEG, and "little" where the lowest does, as in
    Vorbis. Bits behind the end are zeros, and `missing` is True from then on.
    """

    def __init__(self, data: bytes, order: Literal["big", "little"], steps: Steps, start: int = 0) -> None:
        self._data, self._order, self._steps = data, order, steps
        self._at = 8 * start

    def take(self, count: int) -> int:
        self._steps.take()
        first, inside = self._at >> 3, self._at & 7
        self._at += count
        # 32 bits that begin inside of a byte touch five bytes.
        value = int.from_bytes(self._data[first : first + 5].ljust(5, b"\x00"), self._order)
        return value >> (inside if self._order == "little" else 40 - inside - count) & ((1 << count) - 1)

    def skip(self, count: int) -> None:
        self._at += count

    @property
    def missing(self) -> bool:
        return self._at > 8 * len(self._data)
