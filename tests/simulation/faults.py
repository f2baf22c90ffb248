"""What can happen to one I/O, and who decides it."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Kind(StrEnum):
    """The fate of one request to the outside: what is executed, and what its sender learns."""

    NONE = "none"
    REFUSED = "refused"  # not executed, and the sender knows
    THROTTLED = "throttled"  # not executed, and the sender knows
    REJECTED = "rejected"  # not executed and not worth another attempt: a missing right, key or table
    LOST = "lost"  # never executed, the sender knows nothing
    REPLY_LOST = "reply_lost"  # executed, the sender knows nothing
    TWICE = "twice"  # executed twice at once, the first reply arrives
    TWICE_SECOND_REPLY = "twice_second_reply"  # executed twice at once, the second reply arrives
    AGAIN_LATER = "again_later"  # executed, and once more later
    DELAYED = "delayed"  # executed later, the sender knows nothing
    CRASH_BEFORE = "crash_before"  # the sender dies, nothing is sent
    CRASH_AFTER = "crash_after"  # executed, the sender dies
    CRASH_DELAYED = "crash_delayed"  # the sender dies, executed later


@dataclass(frozen=True, slots=True)
class Fault:
    """`later_s` is when a delayed or repeated delivery arrives, from now."""

    kind: Kind = Kind.NONE
    later_s: float = 0.0

    @property
    def is_crash(self) -> bool:
        return self.kind in _CRASHES


_CRASHES = (Kind.CRASH_BEFORE, Kind.CRASH_AFTER, Kind.CRASH_DELAYED)
_LATER = (Kind.AGAIN_LATER, Kind.DELAYED, Kind.CRASH_DELAYED)
NO_FAULT = Fault()
# Before the next attempt, after the request's end, and after the sweeper has been.
LATER_S = (0.03, 20.0, 900.0)
EVERY_FAULT = tuple(
    Fault(kind, later_s)
    for kind in Kind
    if kind is not Kind.NONE
    for later_s in (LATER_S if kind in _LATER else (0.0,))
)


class Plan(Protocol):
    """Decides the fate of each I/O of one process."""

    def fault(self, number: int, name: str) -> Fault: ...


class NoFaults:
    def fault(self, number: int, name: str) -> Fault:
        return NO_FAULT


@dataclass(frozen=True, slots=True)
class FaultsAt:
    """Faults by the number of the I/O, counted from 0 within the process."""

    faults: Mapping[int, Fault]

    def fault(self, number: int, name: str) -> Fault:
        return self.faults.get(number, NO_FAULT)


@dataclass(frozen=True, slots=True)
class FaultsNamed:
    """The same fault at every I/O of a name, such as a throttled or unreachable table."""

    faults: Mapping[str, Fault]

    def fault(self, number: int, name: str) -> Fault:
        return self.faults.get(name, NO_FAULT)


@dataclass(slots=True)
class RandomFaults:
    """Each I/O fails with `chance`, each of the name in `down` for certain; `off` ends it all.

    Crashes are drawn a third as often as their share.
    """

    rng: random.Random
    chance: float
    down: str = ""
    off: bool = False

    def fault(self, number: int, name: str) -> Fault:
        if self.off:
            return NO_FAULT
        if name == self.down:
            return Fault(self.rng.choice((Kind.REFUSED, Kind.THROTTLED, Kind.REJECTED, Kind.REPLY_LOST, Kind.LOST)))
        if self.rng.random() >= self.chance:
            return NO_FAULT
        kind = self.rng.choice(EVERY_FAULT).kind
        if kind in _CRASHES and self.rng.random() < 0.67:
            kind = Kind.REPLY_LOST
        return Fault(kind, 10 ** self.rng.uniform(-2, 3) if kind in _LATER else 0.0)
