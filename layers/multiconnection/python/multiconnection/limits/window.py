"""One limited subject as this process knows it: the shared TATs last seen, and the units not shared yet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .gcra import NO_SHIFT, SECOND_NS, Demand, LimitRefusal, Rate, Shift, TakeResult, arrival, refusal_of

# A subject far below its limit shares what it has admitted once that is a twentieth of the limit, or 10 s old.
UNSHARED_PARTS = 20
UNSHARED_AGE_NS_MAX = 10 * SECOND_NS
# A refusal holds this long without asking again: another process may return units at any time.
REFUSAL_TRUST_NS = SECOND_NS


@dataclass(frozen=True, slots=True)
class Bucket:
    """One limit as a caller sees it: the units that are free now, and seconds until all of them are."""

    limit: int
    remaining: int
    reset_s: float

    @classmethod
    def of(cls, rate: Rate, tat_ns: int, now_ns: int) -> "Bucket":
        return cls(rate.limit, rate.remaining(tat_ns, now_ns), rate.reset_s(tat_ns, now_ns))


@dataclass(frozen=True, slots=True)
class LimitState:
    """A caller's tightest request limit and tightest token limit, and the subjects that were counted."""

    requests: Bucket
    tokens: Bucket
    subjects: tuple[str, ...] = ()

    def headers(self) -> dict[str, str]:
        """The `x-ratelimit-*` headers of an answer."""
        return _headers("requests", self.requests) | _headers("tokens", self.tokens)


@dataclass(frozen=True, slots=True)
class PendingTake:
    """A take that the store has not answered yet; `answered` is how many were answered before it began."""

    demands: Mapping[str, Demand]
    adds_ns: Mapping[str, int]
    hint: Mapping[str, int]
    now_ns: int
    answered: int


class Window:
    """Bookkeeping without I/O; every method runs between two awaits."""

    def __init__(self) -> None:
        self.rates: Mapping[str, Rate] = {}
        self._known: dict[str, int] = {}
        self._unshared: dict[str, Shift] = {}
        self._unshared_since_ns = 0
        self._in_flight_ns: dict[str, int] = {}
        self._answered = 0
        self._refused_at_ns: int | None = None

    @property
    def has_unshared_units(self) -> bool:
        return any(shift.add_ns > 0 for shift in self._unshared.values())

    def bucket(self, attribute: str, now_ns: int) -> Bucket:
        tat_ns = self._unshared.get(attribute, NO_SHIFT).apply(self._known.get(attribute, 0))
        return Bucket.of(self.rates[attribute], tat_ns, now_ns)

    def may_wait(self, units: Mapping[str, int], now_ns: int) -> bool:
        """True if these units may be counted here and shared later."""
        if self._unshared and now_ns - self._unshared_since_ns >= UNSHARED_AGE_NS_MAX:
            return False
        return all(self._is_far(attribute, demand, now_ns) for attribute, demand in self._demands(units).items())

    def fits(self, units: Mapping[str, int], now_ns: int) -> bool:
        """True if the units fit as far as this process knows, takes in flight included."""
        return all(
            demand.units <= 0 or self._queue_ns(attribute, demand.shift(now_ns), now_ns) <= demand.rate.window_ns
            for attribute, demand in self._demands(units).items()
        )

    def count(self, units: Mapping[str, int], now_ns: int) -> None:
        """Admit units without asking the store."""
        for attribute, rate in self.rates.items():
            self._add(attribute, rate.increment_ns(units.get(attribute, 0)), now_ns)

    def correct(self, attribute: str, counted: int, used: int, now_ns: int) -> None:
        """Book the difference between the units counted at admission and the units used."""
        if rate := self.rates.get(attribute):
            self._add(attribute, rate.increment_ns(used) - rate.increment_ns(counted), now_ns)

    def give_back(self, units: Mapping[str, int], now_ns: int) -> None:
        """Return units that were counted for a request that something else refused."""
        for attribute in self.rates:
            self.correct(attribute, units.get(attribute, 0), 0, now_ns)

    def known_refusal(self, units: Mapping[str, int], now_ns: int) -> LimitRefusal | None:
        """A refusal that needs no I/O: more than the whole limit, or refused within the last second."""
        recent = self._refused_at_ns is not None and now_ns - self._refused_at_ns < REFUSAL_TRUST_NS
        never = any(units.get(attribute, 0) > rate.limit for attribute, rate in self.rates.items())
        return self.refusal(units, now_ns) if recent or never else None

    def refusal(self, units: Mapping[str, int], now_ns: int) -> LimitRefusal | None:
        """The refusal that follows from the shared TATs last seen and the units not shared yet."""
        return refusal_of(self._demands(units), self._known, now_ns)

    def begin(self, units: Mapping[str, int], now_ns: int) -> PendingTake:
        """Move everything unshared, and these units, into one take; `commit` or `rollback` must follow."""
        demands = self._demands(units)
        adds_ns = {attribute: demand.shift(now_ns).add_ns for attribute, demand in demands.items()}
        for attribute, add_ns in adds_ns.items():
            self._in_flight_ns[attribute] = self._in_flight_ns.get(attribute, 0) + add_ns
        self._unshared = {}
        return PendingTake(demands, adds_ns, dict(self._known), now_ns, self._answered)

    def commit(self, take: PendingTake, result: TakeResult) -> None:
        """Adopt the store's answer; what a refused take wanted to share stays unshared."""
        self._end(take)
        overtaken = self._answered != take.answered
        for attribute, tat_ns in result.tats.items():
            # Answers can overtake each other; among concurrent takes the largest TAT is the latest.
            self._known[attribute] = max(tat_ns, self._known.get(attribute, 0)) if overtaken else tat_ns
        self._answered += 1
        self._refused_at_ns = None if result.granted else take.now_ns
        if not result.granted:
            self._restore_unshared(take)

    def rollback(self, take: PendingTake) -> None:
        """Keep what was unshared after an outage, even if the store has written it and it is counted twice."""
        self._end(take)
        self._restore_unshared(take)

    def _demands(self, units: Mapping[str, int]) -> dict[str, Demand]:
        return {
            attribute: Demand(rate, units.get(attribute, 0), self._unshared.get(attribute, NO_SHIFT))
            for attribute, rate in self.rates.items()
        }

    def _is_far(self, attribute: str, demand: Demand, now_ns: int) -> bool:
        """Below half of the limit, and little unshared, takes in flight included."""
        shift, window_ns = demand.shift(now_ns), demand.rate.window_ns
        unshared_ns = shift.add_ns + self._in_flight_ns.get(attribute, 0)
        return (
            self._queue_ns(attribute, shift, now_ns) < window_ns // 2
            and abs(unshared_ns) <= window_ns // UNSHARED_PARTS
        )

    def _queue_ns(self, attribute: str, shift: Shift, now_ns: int) -> int:
        """The length of the queue after this shift and all takes in flight."""
        return shift.apply(self._known.get(attribute, 0)) + self._in_flight_ns.get(attribute, 0) - now_ns

    def _add(self, attribute: str, increment_ns: int, now_ns: int) -> None:
        if not increment_ns:
            return
        if not self._unshared:
            self._unshared_since_ns = now_ns
        self._unshared[attribute] = self._unshared.get(attribute, NO_SHIFT).then(arrival(now_ns, increment_ns))

    def _end(self, take: PendingTake) -> None:
        for attribute, add_ns in take.adds_ns.items():
            self._in_flight_ns[attribute] -= add_ns

    def _restore_unshared(self, take: PendingTake) -> None:
        if not self._unshared:
            self._unshared_since_ns = take.now_ns
        for attribute, demand in take.demands.items():
            if demand.pending != NO_SHIFT:
                self._unshared[attribute] = demand.pending.then(self._unshared.get(attribute, NO_SHIFT))


def tightest(buckets: Sequence[Bucket]) -> Bucket:
    """The bucket that runs out first."""
    return min(buckets, key=lambda bucket: (bucket.remaining, bucket.limit))


def format_reset(seconds: float) -> str:
    """A duration as OpenAI writes it in `x-ratelimit-reset-*`: "12ms", "1.5s", "6m0s"."""
    milliseconds = round(seconds * 1000)
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    text = f"{rest // 1000}.{rest % 1000:03d}".rstrip("0").rstrip(".")
    return f"{minutes}m{text}s" if minutes else f"{text}s"


def _headers(kind: str, bucket: Bucket) -> dict[str, str]:
    return {
        f"x-ratelimit-limit-{kind}": str(bucket.limit),
        f"x-ratelimit-remaining-{kind}": str(bucket.remaining),
        f"x-ratelimit-reset-{kind}": format_reset(bucket.reset_s),
    }
