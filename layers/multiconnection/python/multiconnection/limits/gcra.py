"""What the limiter asks of its shared store: shifts of theoretical arrival times (TATs), all of a take or none.

Everything that happens to a TAT under GCRA has one form, `max(tat, floor) + add`: an arrival at `now` is
`max(tat, now) + increment`, units given back at `now` are `max(tat - decrement, now)`. Such shifts compose into
one of the same form. So a process can collect what it admitted on its own account and hand it in later, in one
write, and the shared TAT ends exactly where separate writes at the original times would have put it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

REQUESTS = "r"
TOKENS = "t"


@dataclass(frozen=True, slots=True)
class Shift:
    """`max(tat, floor_ns) + add_ns`."""

    floor_ns: int = 0
    add_ns: int = 0

    def apply(self, tat_ns: int) -> int:
        return max(tat_ns, self.floor_ns) + self.add_ns

    def then(self, later: "Shift") -> "Shift":
        """This shift, then the later one."""
        return Shift(max(self.floor_ns, later.floor_ns - self.add_ns), self.add_ns + later.add_ns)


NOTHING = Shift()


def arrival(now_ns: int, increment_ns: int) -> Shift:
    """Units that enter now; a negative increment gives units back, never below an empty queue."""
    return Shift(now_ns - min(increment_ns, 0), increment_ns)


# Rate-limit arithmetic: GCRA with integer nanoseconds.
# A limit of L units per minute is a virtual queue that drains L units a minute; its state is one number, the
# theoretical arrival time (TAT). A unit may enter while the queue is shorter than one minute.


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `per_minute` units in any minute, bursts included."""

    per_minute: int

    def increment_ns(self, units: int) -> int:
        return units * MINUTE_NS // self.per_minute

    def latest_start_ns(self, now_ns: int, units: int) -> int:
        """The largest TAT at which `units` more still fit."""
        return now_ns + MINUTE_NS - self.increment_ns(units)

    def remaining(self, tat_ns: int, now_ns: int) -> int:
        """Whole units that fit now."""
        queued = max(0, tat_ns - now_ns)
        return max(0, (MINUTE_NS - queued) * self.per_minute // MINUTE_NS)

    def reset_s(self, tat_ns: int, now_ns: int) -> float:
        """Seconds until the whole limit is free again."""
        return max(0, tat_ns - now_ns) / 10**9

    def retry_after_s(self, tat_ns: int, now_ns: int, units: int) -> float:
        """Seconds until `units` fit; a whole minute when they never do."""
        if units > self.per_minute:
            return 60.0
        return max(0, tat_ns - self.latest_start_ns(now_ns, units)) / 10**9


@dataclass(frozen=True, slots=True)
class Demand:
    """`units` that want to enter now, and `pending`: what was admitted (or given back) before and is not yet shared.

    Only `units` can be refused. Without any (`units <= 0`) the demand books what is pending, whatever the limit.
    """

    rate: Rate
    units: int
    pending: Shift = NOTHING

    def shift(self, now_ns: int) -> Shift:
        return self.pending.then(arrival(now_ns, self.rate.increment_ns(self.units)))

    def ceiling_ns(self, now_ns: int) -> int | None:
        """The largest TAT this demand may leave behind; None when it cannot be refused."""
        return now_ns + MINUTE_NS if self.units > 0 else None

    def fits(self, tat_ns: int, now_ns: int) -> bool:
        ceiling = self.ceiling_ns(now_ns)
        return ceiling is None or self.shift(now_ns).apply(tat_ns) <= ceiling


@dataclass(frozen=True, slots=True)
class TakeResult:
    """The limiter item after (or, refused, at) a take: TAT in ns by attribute."""

    granted: bool
    tats: Mapping[str, int] = field(default_factory=dict)


class LimitStore(Protocol):
    async def take(
        self, subject: str, now_ns: int, demands: Mapping[str, Demand], hint: Mapping[str, int] | None = None
    ) -> TakeResult:
        """All demands, by attribute, or none, in one conditional write. `hint` is the TATs last seen, if any.

        Raises StoreError.
        """


MINUTE_NS = 60 * 10**9


def format_reset(seconds: float) -> str:
    """A duration as OpenAI writes it in `x-ratelimit-reset-*`: "12ms", "1.5s", "6m0s"."""
    milliseconds = round(seconds * 1000)
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    text = f"{rest // 1000}.{rest % 1000:03d}".rstrip("0").rstrip(".")
    return f"{minutes}m{text}s" if minutes else f"{text}s"
