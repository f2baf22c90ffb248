"""Revenue against upstream cost: finished days from their roll-up, the days since from the rows themselves."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, Protocol

from cachetools import LRUCache

from multiconnection.catalog.bounds import cost_nano
from multiconnection.catalog.models import CatalogError, Entry, Model, costing_entry, parse_model
from multiconnection.errors import RequestInvalid
from multiconnection.history.service import UsageFilter, UsageReader
from multiconnection.ids import began_s
from multiconnection.ledger.models import UsageRow
from multiconnection.ports import Alarms, Clock
from multiconnection.retry import readable

RANGE_DAYS_MAX = 366
DEFAULT_DAYS = 30
# Days that are counted on request where their roll-up is not there yet: today, and yesterday until it has been made.
LIVE_DAYS_MAX = 2


# Revenue and upstream cost of calls, added up by day, model and account.


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where counting stops; None is no bound."""

    accounts: int | None = None
    rows: int | None = None
    until_s: float | None = None


# One request's share of reading: a few seconds. More than this is told as `truncated`.
LIVE_BOUNDS = Bounds(accounts=500, rows=20_000)
LIVE_S = 8.0
# A row is written when its call ends, and by the sweeper some minutes later: the last days are counted again each day.
RECOUNTED_DAYS = 3
# After a standstill of the reconciler; what is older stays missing and is told as such.
BACKLOG_DAYS = 35
Group = Literal["day", "model", "account"]


@dataclass(slots=True)
class Takings:
    """n$. Of `unpriced` calls nobody knows what they cost upstream: their price version cannot be read."""

    calls: int = 0
    revenue: int = 0
    upstream_cost: int = 0
    unpriced: int = 0

    @property
    def margin(self) -> int:
        return self.revenue - self.upstream_cost

    def add(self, other: "Takings") -> None:
        self.calls += other.calls
        self.revenue += other.revenue
        self.upstream_cost += other.upstream_cost
        self.unpriced += other.unpriced


@dataclass(slots=True)
class DayTakings:
    """One day in UTC, by the time that calls arrived."""

    total: Takings = field(default_factory=Takings)
    models: dict[str, Takings] = field(default_factory=dict)
    accounts: dict[str, Takings] = field(default_factory=dict)

    def add(self, row: UsageRow, one: Takings) -> None:
        self.total.add(one)
        self.models.setdefault(row.model, Takings()).add(one)
        self.accounts.setdefault(row.account_id, Takings()).add(one)


class TakingsStore(Protocol):
    """Each method raises StoreError."""

    async def put_day(self, name: str, day: DayTakings) -> None:
        """May be repeated with other figures; the day itself is written last."""

    def read(self, group: Group, first: str, last: str) -> AsyncIterator[tuple[str, str, Takings]]:
        """(day, name, takings) of the days from `first` to `last`."""


@dataclass(frozen=True, slots=True)
class Revenue:
    """`missing` days have no figures; `truncated`: of the latest days some accounts have not been read."""

    rows: Mapping[str, Takings]
    total: Takings
    missing: Sequence[str]
    truncated: bool


class AccountIds(Protocol):
    def all_account_ids(self) -> AsyncIterator[str]: ...


@dataclass(slots=True)
class Counted:
    """By number of the day since the epoch; every day of the range has its place. `whole` is False at a bound."""

    days: dict[int, DayTakings]
    rows: int = 0
    accounts: int = 0
    whole: bool = True


# What calls cost us upstream, at the price version of each call.
# An entry's `cost_prices` say what the provider takes; a kind without one costs what the list says, without markup.


class EntryVersions(Protocol):
    async def version_entry(self, model_id: str, price_version: int) -> Entry | None:
        """Raises StoreError."""


class CostBook:
    """One per process: a version never changes, so each is read once."""

    def __init__(self, source: EntryVersions) -> None:
        self._source = source
        self._known: LRUCache[tuple[str, int], Model] = LRUCache(VERSIONS_MAX)

    async def cost(self, row: UsageRow) -> int | None:
        """n$ of what was consumed, charged or not; None where nobody knows any more. Raises StoreError."""
        model = await self._model(row.model, row.price_version)
        if model is None:
            return None
        try:
            return cost_nano(model, row.usage, 0)
        except CatalogError:
            return None

    async def _model(self, model_id: str, price_version: int) -> Model | None:
        key = (model_id, price_version)
        if (known := self._known.get(key)) is not None:
            return known
        entry = await self._source.version_entry(model_id, price_version)
        if entry is None:
            return None
        try:
            model = parse_model(costing_entry(entry))
        except CatalogError:
            return None
        self._known[key] = model
        return model


class TakingsCounter:
    """Reads the rows of a range of days, account by account."""

    def __init__(self, accounts: AccountIds, reader: UsageReader, costs: CostBook, clock: Clock) -> None:
        self._accounts = accounts
        self._reader = reader
        self._costs = costs
        self._clock = clock

    async def count(self, first: int, last: int, bounds: Bounds) -> Counted:
        """Of the days `first` to `last`. Raises StoreError."""
        counted = Counted({day: DayTakings() for day in range(first, last + 1)})
        wanted = UsageFilter(first * DAY_S, (last + 1) * DAY_S)
        async for account_id in self._accounts.all_account_ids():
            if self._is_over(counted, bounds):
                counted.whole = False
                break
            counted.accounts += 1
            await self._count_account(account_id, wanted, counted, bounds)
        return counted

    async def _count_account(self, account_id: str, wanted: UsageFilter, counted: Counted, bounds: Bounds) -> None:
        after: str | None = None
        while True:
            batch = await self._reader.bulk(account_id, wanted, after)
            for row in batch.found:
                counted.days[began_s(row.hold_id) // DAY_S].add(row, await self._one(row))
            counted.rows += len(batch.found)
            after = batch.after
            if after is None:
                return
            if self._is_over(counted, bounds):
                counted.whole = False
                return

    async def _one(self, row: UsageRow) -> Takings:
        cost = await self._costs.cost(row)
        return Takings(1, row.cost, cost or 0, int(cost is None))

    def _is_over(self, counted: Counted, bounds: Bounds) -> bool:
        return (
            (bounds.rows is not None and counted.rows >= bounds.rows)
            or (bounds.accounts is not None and counted.accounts >= bounds.accounts)
            or (bounds.until_s is not None and self._clock.now() >= bounds.until_s)
        )


class AdminRevenue:
    def __init__(self, store: TakingsStore, counter: TakingsCounter, clock: Clock) -> None:
        self._store = store
        self._counter = counter
        self._clock = clock

    async def revenue(self, since_s: int | None, until_s: int | None, group: Group) -> Revenue:
        """Whole days in UTC that the range touches; the last thirty without one. Raises RequestInvalid."""
        first, last = self._range(since_s, until_s)
        with readable("The revenue"):
            done = {day_number(day) async for day, _, _ in self._store.read("day", day_name(first), day_name(last))}
            parts = [
                (name, takings) async for _, name, takings in self._store.read(group, day_name(first), day_name(last))
            ]
            live = [day for day in range(first, last + 1) if day not in done and day > self._today - LIVE_DAYS_MAX]
            truncated = False
            if live:
                bounds = Bounds(LIVE_BOUNDS.accounts, LIVE_BOUNDS.rows, self._clock.now() + LIVE_S)
                counted = await self._counter.count(live[0], live[-1], bounds)
                parts += [part for day in live for part in groups(counted.days[day], day_name(day), group).items()]
                truncated = not counted.whole
        rows = summed(parts)
        total = Takings()
        for takings in rows.values():
            total.add(takings)
        missing = [day_name(day) for day in range(first, last + 1) if day not in done and day not in live]
        return Revenue(rows, total, missing, truncated)

    @property
    def _today(self) -> int:
        return int(self._clock.now()) // DAY_S

    def _range(self, since_s: int | None, until_s: int | None) -> tuple[int, int]:
        last = self._today if until_s is None else min(self._today, max(0, until_s - 1) // DAY_S)
        first = max(0, last - DEFAULT_DAYS + 1) if since_s is None else since_s // DAY_S
        if not first <= last < first + RANGE_DAYS_MAX:
            raise RequestInvalid("'from' must be before 'to' and not in the future, by at most 366 days.", param="from")
        return first, last


class RollUp:
    """Once a day: the takings of finished days, written over whatever was there."""

    def __init__(self, store: TakingsStore, counter: TakingsCounter, clock: Clock, alarms: Alarms) -> None:
        self._store = store
        self._counter = counter
        self._clock = clock
        self._alarms = alarms

    async def run(self, until_s: float | None = None) -> int:
        """How many days were written. Stops at `until_s`, with an alarm; the next run goes on. Raises StoreError."""
        today = int(self._clock.now()) // DAY_S
        recent = today - RECOUNTED_DAYS
        written = await self._days(recent, today - 1, until_s)
        done = {
            day_number(day)
            async for day, _, _ in self._store.read("day", day_name(today - BACKLOG_DAYS), day_name(recent - 1))
        }
        # A first run has every day to do; days before the first call are written as empty ones.
        backlog = [day for day in range(today - BACKLOG_DAYS, recent) if day not in done]
        return written + (await self._days(backlog[0], backlog[-1], until_s) if backlog else 0)

    async def _days(self, first: int, last: int, until_s: float | None) -> int:
        """All or none: half a day's figures would look like a whole day's."""
        counted = await self._counter.count(first, last, Bounds(until_s=until_s))
        if not counted.whole:
            self._alarms.alarm("roll_up_unfinished", first=day_name(first), last=day_name(last), rows=counted.rows)
            return 0
        for day, takings in counted.days.items():
            await self._store.put_day(day_name(day), takings)
        return len(counted.days)


DAY_S = 86_400


def day_name(number: int) -> str:
    return datetime.fromtimestamp(number * DAY_S, UTC).date().isoformat()


def day_number(name: str) -> int:
    """Raises ValueError."""
    return int(datetime.fromisoformat(f"{name}T00:00:00+00:00").timestamp()) // DAY_S


def groups(day: DayTakings, name: str, group: Group) -> Mapping[str, Takings]:
    return {"day": {name: day.total}, "model": day.models, "account": day.accounts}[group]


def summed(parts: Iterable[tuple[str, Takings]]) -> dict[str, Takings]:
    found: dict[str, Takings] = {}
    for name, takings in parts:
        found.setdefault(name, Takings()).add(takings)
    return found


VERSIONS_MAX = 1000
