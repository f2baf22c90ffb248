"""Rate-limit arithmetic: GCRA with integer nanoseconds.

A limit of L units per window is a virtual queue that drains L units in each window. Its state is one number, the
theoretical arrival time (TAT) at which the queue is empty; a unit may enter while the queue is shorter than a window.

Every change of a TAT has one form, `max(tat, floor) + add`: an arrival at `now` is `max(tat, now) + increment`, and
units returned at `now` are `max(tat - decrement, now)`. Two such shifts compose into one of the same form. A process
can therefore collect what it has admitted and share it later in a single write, and the shared TAT ends exactly where
separate writes at the original times would have put it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

REQUESTS = "r"
TOKENS = "t"
SECOND_NS = 10**9
MINUTE_NS = 60 * SECOND_NS


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `limit` units in any window of `window_ns`, bursts included."""

    limit: int
    window_ns: int = MINUTE_NS

    def increment_ns(self, units: int) -> int:
        return units * self.window_ns // self.limit

    def latest_start_ns(self, now_ns: int, units: int) -> int:
        """The largest TAT at which `units` more still fit."""
        return now_ns + self.window_ns - self.increment_ns(units)

    def remaining(self, tat_ns: int, now_ns: int) -> int:
        """Whole units that fit now."""
        queued = max(0, tat_ns - now_ns)
        return max(0, (self.window_ns - queued) * self.limit // self.window_ns)

    def reset_s(self, tat_ns: int, now_ns: int) -> float:
        """Seconds until the whole limit is free again."""
        return max(0, tat_ns - now_ns) / SECOND_NS

    def retry_after_s(self, tat_ns: int, now_ns: int, units: int) -> float:
        """Seconds until `units` fit; a whole window when they never do."""
        if units > self.limit:
            return self.window_ns / SECOND_NS
        return max(0, tat_ns - self.latest_start_ns(now_ns, units)) / SECOND_NS


@dataclass(frozen=True, slots=True)
class Shift:
    """`max(tat, floor_ns) + add_ns`."""

    floor_ns: int = 0
    add_ns: int = 0

    def apply(self, tat_ns: int) -> int:
        return max(tat_ns, self.floor_ns) + self.add_ns

    def then(self, later: "Shift") -> "Shift":
        """This shift followed by `later`."""
        return Shift(max(self.floor_ns, later.floor_ns - self.add_ns), self.add_ns + later.add_ns)


NO_SHIFT = Shift()


def arrival(now_ns: int, increment_ns: int) -> Shift:
    """Units that enter now; a negative increment returns units, never below an empty queue."""
    return Shift(now_ns - min(increment_ns, 0), increment_ns)


@dataclass(frozen=True, slots=True)
class Demand:
    """`units` that ask to enter now, after `pending`: what was admitted or returned before and is not shared yet.

    Only `units` can be refused. Without any (`units <= 0`) the demand always fits, whatever the limit.
    """

    rate: Rate
    units: int
    pending: Shift = NO_SHIFT

    def shift(self, now_ns: int) -> Shift:
        entering = arrival(now_ns, self.rate.increment_ns(self.units))
        return entering if self.pending is NO_SHIFT else self.pending.then(entering)

    def ceiling_ns(self, now_ns: int) -> int | None:
        """The largest TAT this demand may leave behind; None when it cannot be refused."""
        return now_ns + self.rate.window_ns if self.units > 0 else None

    def fits(self, tat_ns: int, now_ns: int) -> bool:
        ceiling = self.ceiling_ns(now_ns)
        return ceiling is None or self.shift(now_ns).apply(tat_ns) <= ceiling

    def retry_after_s(self, tat_ns: int, now_ns: int) -> float:
        """Seconds until the units fit behind what is pending."""
        return self.rate.retry_after_s(self.pending.apply(tat_ns), now_ns, self.units)


@dataclass(frozen=True, slots=True)
class TakeResult:
    """The stored TATs in ns by attribute, after a granted take or at a refused one."""

    granted: bool
    tats: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LimitRefusal:
    """The attribute that is used up, its rate, and for how long; `never` when a demand exceeds the whole limit."""

    attribute: str
    rate: Rate
    retry_after_s: float
    never: bool = False


def refusal_of(demands: Mapping[str, Demand], tats: Mapping[str, int], now_ns: int) -> LimitRefusal | None:
    """The longest wait among the demands that do not fit at these TATs; None when all of them fit."""
    refusals = [
        LimitRefusal(
            attribute,
            demand.rate,
            demand.retry_after_s(tats.get(attribute, 0), now_ns),
            never=demand.units > demand.rate.limit,
        )
        for attribute, demand in demands.items()
        if not demand.fits(tats.get(attribute, 0), now_ns)
    ]
    return max(refusals, key=lambda refusal: (refusal.never, refusal.retry_after_s), default=None)
