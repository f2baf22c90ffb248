"""What is known of a file with sound, and the arithmetic that all formats share."""

from dataclasses import dataclass

# The most elements (frames, packets, boxes) that one file is walked through: twenty-five megabytes at the lowest bit
# rates in use have fewer. About a second.
STEPS_MAX = 1_000_000
# Where a codec's frames are not understood, the sound is taken to be as long as at 8 kbit/s, MP3's lowest rate.
FLOOR_BYTES_PER_S = 1000
# How far a container's word may be off: encoders prime with a frame or two and cut off the end of the last one.
SLACK_MS = 150
SLACK_PERCENT = 1


class AudioError(ValueError):
    """No sound in it that could be measured; the message is for the caller."""


@dataclass(frozen=True, slots=True)
class Audio:
    """`ending` is the file name's that fits the content.

    `milliseconds` is what the structure says, or `milliseconds_max` where that cannot be believed: then it is not
    `measured`. Nothing that reads the file as its format says hears more than `milliseconds_max`; what cannot be
    bounded like that is refused.
    """

    ending: str
    milliseconds: int
    milliseconds_max: int
    measured: bool = True

    @classmethod
    def exact(cls, ending: str, milliseconds: int) -> "Audio":
        return cls(ending, milliseconds, milliseconds)

    @classmethod
    def weighed(cls, ending: str, said: int, least: int, most: int) -> "Audio":
        """What a container says, held against the least and the most that its packets can be."""
        slack = SLACK_MS + most * SLACK_PERCENT // 100
        believed = least - slack <= said <= most + slack
        tight = most - least <= slack
        return cls(ending, min(said, most) if believed else most, most, measured=believed or tight)

    @classmethod
    def floor(cls, ending: str, size: int) -> "Audio":
        """`size` bytes of a codec whose frames are not understood."""
        bound = in_milliseconds(size, FLOOR_BYTES_PER_S)
        return cls(ending, bound, bound, measured=False)


class Steps:
    """Counts what a walk looks at: a hostile file ends it with AudioError instead of keeping the process busy."""

    __slots__ = ("_left",)

    def __init__(self, most: int = STEPS_MAX) -> None:
        self._left = most

    def take(self, count: int = 1) -> None:
        self._left -= count
        if self._left < 0:
            raise AudioError("The audio file has too many parts to measure its length.")


def in_milliseconds(samples: int, rate: int) -> int:
    """Rounded up to whole ones."""
    return -(-samples * 1000 // rate) if rate > 0 else 0


def big(data: bytes, at: int, size: int) -> int:
    """Unsigned, big-endian; what lies behind the end reads as nothing, never as an exception."""
    return int.from_bytes(data[at : at + size], "big")


def little(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "little")
