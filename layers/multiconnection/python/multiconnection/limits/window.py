"""What this process knows of one limited subject: the shared TATs last seen, and what it has not shared yet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .gcra import MINUTE_NS, NOTHING, Demand, Rate, Shift, TakeResult, arrival, format_reset

UNSHARED_NS_MAX = MINUTE_NS // 20
UNSHARED_AGE_NS_MAX = 10 * 10**9
# A refusal is believed this long without asking again: another process may give units back at any time.
REFUSAL_TRUST_NS = 10**9


@dataclass(frozen=True, slots=True)
class Refusal:
    """Which quantity is used up, and for how long; `never` when the demand is larger than the whole limit."""

    attribute: str
    retry_after_s: float
    never: bool = False


@dataclass(frozen=True, slots=True)
class Flight:
    """One take on its way to the store."""

    demands: Mapping[str, Demand]
    adds_ns: Mapping[str, int]
    hint: Mapping[str, int]
    now_ns: int
    landings: int


# What is left of a caller's limits, as the `x-ratelimit-*` headers tell it.


@dataclass(frozen=True, slots=True)
class Bucket:
    """One limit per minute: how much of it is free now, and seconds until all of it is."""

    limit: int
    remaining: int
    reset_s: float

    @classmethod
    def of(cls, rate: Rate, tat_ns: int, now_ns: int) -> "Bucket":
        return cls(rate.per_minute, rate.remaining(tat_ns, now_ns), rate.reset_s(tat_ns, now_ns))


class Window:
    """Bookkeeping without I/O; every method is one step between two awaits."""

    def __init__(self) -> None:
        self.rates: Mapping[str, Rate] = {}
        self._known: dict[str, int] = {}
        self._pending: dict[str, Shift] = {}
        self._pending_since_ns = 0
        self._flying: dict[str, int] = {}
        self._landings = 0
        self._refused_at_ns: int | None = None

    def bucket(self, attribute: str, now_ns: int) -> Bucket:
        return Bucket.of(self.rates[attribute], self._tat(attribute), now_ns)

    def may_wait(self, units: Mapping[str, int], now_ns: int) -> bool:
        """Whether these units may be counted here and shared later."""
        if self._pending and now_ns - self._pending_since_ns >= UNSHARED_AGE_NS_MAX:
            return False
        return all(self._is_far(attribute, demand, now_ns) for attribute, demand in self._demands(units).items())

    def fits(self, units: Mapping[str, int], now_ns: int) -> bool:
        """Judged by what this process knows, takes on their way included."""
        return all(
            demand.units <= 0 or self._queue_ns(attribute, demand.shift(now_ns), now_ns) <= MINUTE_NS
            for attribute, demand in self._demands(units).items()
        )

    def count(self, units: Mapping[str, int], now_ns: int) -> None:
        """Admit on this process's own account."""
        for attribute, rate in self.rates.items():
            self._add(attribute, rate.increment_ns(units.get(attribute, 0)), now_ns)

    def correct(self, attribute: str, counted: int, used: int, now_ns: int) -> None:
        """Book the difference between units counted at admission and units really used."""
        if rate := self.rates.get(attribute):
            self._add(attribute, rate.increment_ns(used) - rate.increment_ns(counted), now_ns)

    def known_refusal(self, units: Mapping[str, int], now_ns: int) -> Refusal | None:
        """A refusal that needs no look at the store: more than the whole limit, or refused a moment ago."""
        recent = self._refused_at_ns is not None and now_ns - self._refused_at_ns < REFUSAL_TRUST_NS
        never = any(units.get(attribute, 0) > rate.per_minute for attribute, rate in self.rates.items())
        return self.refusal(units, now_ns) if recent or never else None

    def refusal(self, units: Mapping[str, int], now_ns: int) -> Refusal | None:
        """The quantity with the longest wait among those that do not fit."""
        refusals = [
            Refusal(attribute, self._wait_s(attribute, demand, now_ns), demand.units > demand.rate.per_minute)
            for attribute, demand in self._demands(units).items()
            if not demand.fits(self._known.get(attribute, 0), now_ns)
        ]
        return max(refusals, key=lambda refusal: (refusal.never, refusal.retry_after_s), default=None)

    def owes(self) -> bool:
        """Whether more was admitted here than the store has been told."""
        return any(shift.add_ns > 0 for shift in self._pending.values())

    def depart(self, units: Mapping[str, int], now_ns: int) -> Flight:
        """Hand everything pending, and these units, to one take."""
        demands = self._demands(units)
        adds = {attribute: demand.shift(now_ns).add_ns for attribute, demand in demands.items()}
        for attribute, add_ns in adds.items():
            self._flying[attribute] = self._flying.get(attribute, 0) + add_ns
        self._pending = {}
        return Flight(demands, adds, dict(self._known), now_ns, self._landings)

    def land(self, flight: Flight, result: TakeResult) -> None:
        """The store has answered."""
        self._arrive(flight)
        overtaken = self._landings != flight.landings
        for attribute, tat_ns in result.tats.items():
            # Answers can overtake each other; of takes in the air together the largest TAT is the latest.
            self._known[attribute] = max(tat_ns, self._known.get(attribute, 0)) if overtaken else tat_ns
        self._landings += 1
        self._refused_at_ns = None if result.granted else flight.now_ns
        if not result.granted:
            self._restore(flight)

    def fail(self, flight: Flight) -> None:
        """The store did not answer: what was pending stays pending, even if that counts it twice."""
        self._arrive(flight)
        self._restore(flight)

    def _tat(self, attribute: str) -> int:
        return self._pending.get(attribute, NOTHING).apply(self._known.get(attribute, 0))

    def _demands(self, units: Mapping[str, int]) -> dict[str, Demand]:
        return {
            attribute: Demand(rate, units.get(attribute, 0), self._pending.get(attribute, NOTHING))
            for attribute, rate in self.rates.items()
        }

    def _is_far(self, attribute: str, demand: Demand, now_ns: int) -> bool:
        """Below half of the limit, and little unshared, takes on their way included."""
        shift = demand.shift(now_ns)
        unshared_ns = shift.add_ns + self._flying.get(attribute, 0)
        return self._queue_ns(attribute, shift, now_ns) < MINUTE_NS // 2 and abs(unshared_ns) <= UNSHARED_NS_MAX

    def _queue_ns(self, attribute: str, shift: Shift, now_ns: int) -> int:
        """How long the queue would be after this shift and all takes on their way."""
        return shift.apply(self._known.get(attribute, 0)) + self._flying.get(attribute, 0) - now_ns

    def _wait_s(self, attribute: str, demand: Demand, now_ns: int) -> float:
        tat_ns = demand.pending.apply(self._known.get(attribute, 0))
        return demand.rate.retry_after_s(tat_ns, now_ns, demand.units)

    def _add(self, attribute: str, increment_ns: int, now_ns: int) -> None:
        if not increment_ns:
            return
        if not self._pending:
            self._pending_since_ns = now_ns
        self._pending[attribute] = self._pending.get(attribute, NOTHING).then(arrival(now_ns, increment_ns))

    def _arrive(self, flight: Flight) -> None:
        for attribute, add_ns in flight.adds_ns.items():
            self._flying[attribute] -= add_ns

    def _restore(self, flight: Flight) -> None:
        if not self._pending:
            self._pending_since_ns = flight.now_ns
        for attribute, demand in flight.demands.items():
            if demand.pending != NOTHING:
                self._pending[attribute] = demand.pending.then(self._pending.get(attribute, NOTHING))


@dataclass(frozen=True, slots=True)
class LimitState:
    """The tightest request limit and the tightest token limit, and which subjects were counted."""

    requests: Bucket
    tokens: Bucket
    subjects: tuple[str, ...] = ()

    def headers(self) -> dict[str, str]:
        return _headers("requests", self.requests) | _headers("tokens", self.tokens)


def tightest(buckets: Sequence[Bucket]) -> Bucket:
    """The bucket that runs dry first."""
    return min(buckets, key=lambda bucket: (bucket.remaining, bucket.limit))


def _headers(kind: str, bucket: Bucket) -> dict[str, str]:
    return {
        f"x-ratelimit-limit-{kind}": str(bucket.limit),
        f"x-ratelimit-remaining-{kind}": str(bucket.remaining),
        f"x-ratelimit-reset-{kind}": format_reset(bucket.reset_s),
    }
