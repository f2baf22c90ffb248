"""What is known of a file with sound, and the arithmetic that all formats share."""

from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic, sleep

# A walk may look at as many elements (frames, packets, boxes) as the file has bytes, and at some more in tiny files:
# each takes a byte or more. Twenty-five megabytes at the lowest bit rates in use have fewer than the cap, which is a
# second or two.
STEPS_OF_ANY_FILE = 20_000
STEPS_MAX = 1_000_000
# Looking for a few bytes in many is that much cheaper than looking at an element.
BYTES_PER_STEP = 512
# How often the clock is read, about every millisecond, and how long the thread then rests, so that the event loop need
# not wait five milliseconds for the interpreter in each of its turns.
STEPS_PER_LOOK = 1024
REST_S = 0.0001
SECONDS_MAX = 10.0
# The interpreter runs nothing else while it searches: it searches so many bytes at once, in a millisecond.
WINDOW_BYTES = 1 << 16
# Where a codec's frames are not understood, the sound is taken to be as long as at 8 kbit/s, MP3's lowest rate.
FLOOR_BYTES_PER_S = 1000
# How far below the most that its packets can be a container's claim is believed: encoders prime with a frame or two and
# cut off the end of the last one. Anything lower is charged as the most.
SLACK_MS = 250
SLACK_PERCENT = 1


class AudioError(ValueError):
    """No sound in it that could be measured; the message is for the caller."""


@dataclass(frozen=True, slots=True)
class Audio:
    """`ending` is the file name's that fits the content.

    `milliseconds` is what is charged without a provider's report: what the file says of itself where that is close to
    `milliseconds_max`, the most that its packets can be, and otherwise that. `measured`: no guess is in it. A reader
    that goes by the format hears no more than `milliseconds_max`; what cannot be bounded like that is refused.
    """

    ending: str
    milliseconds: int
    milliseconds_max: int
    measured: bool = True

    @classmethod
    def exact(cls, ending: str, milliseconds: int) -> "Audio":
        return cls(ending, milliseconds, milliseconds)

    @classmethod
    def claimed(cls, ending: str, said: int, most: int, *, exact: bool = True) -> "Audio":
        """What a container says, believed only where it is close to the most that its packets can be.

        `exact`: the packets can be nothing else than that.
        """
        slack = SLACK_MS + most * SLACK_PERCENT // 100
        believed = most - slack <= said <= most + slack
        return cls(ending, min(said, most) if believed else most, most, measured=believed or exact)

    @classmethod
    def floor(cls, ending: str, size: int) -> "Audio":
        """`size` bytes of a codec whose frames are not understood."""
        bound = in_milliseconds(size, FLOOR_BYTES_PER_S)
        return cls(ending, bound, bound, measured=False)


class Steps:
    """The budget of one file: a hostile one ends it with AudioError instead of keeping the process busy.

    Every loop of every parser takes from it. `cancel` may be called by another thread.
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
        """Bytes that are searched or copied without a look at each."""
        self.take(1 + size // BYTES_PER_STEP)

    def cancel(self) -> None:
        """Make the next look at the clock the last one."""
        self._cancelled = True

    def _check(self) -> None:
        if self._left < 0:
            raise AudioError("The audio file has too many parts to measure its length.")
        if self._cancelled or monotonic() > self._deadline:
            raise AudioError("The audio file takes too long to measure.")
        self._look = self._left - STEPS_PER_LOOK
        sleep(REST_S)


def windows(start: int, end: int, steps: Steps, size: int = WINDOW_BYTES) -> Iterator[tuple[int, int]]:
    """A long search in pieces, with a step for each."""
    for begin in range(start, end, size):
        steps.scan(size)
        yield begin, min(end, begin + size)


def occurrences(data: bytes, mark: bytes, start: int, steps: Steps) -> int:
    """How often `mark` is there, for one that does not overlap itself."""
    return sum(data.count(mark, begin, end + len(mark) - 1) for begin, end in windows(start, len(data), steps))


def in_milliseconds(samples: int, rate: int) -> int:
    """Rounded up to whole ones."""
    return -(-samples * 1000 // rate) if rate > 0 else 0


def big(data: bytes, at: int, size: int) -> int:
    """Unsigned, big-endian; what lies behind the end reads as nothing, never as an exception."""
    return int.from_bytes(data[at : at + size], "big")


def little(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "little")
