"""Revenue and upstream cost of calls, added up by day, model and account."""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, Protocol

from multiconnection.domain.call_times import began_s
from multiconnection.domain.ports import Clock
from multiconnection.ledger.accounts import UsageRow

from .admin_costs import CostBook
from .usage_history import UsageFilter, UsageReader

DAY_S = 86_400
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


class AccountIds(Protocol):
    def all_account_ids(self) -> AsyncIterator[str]: ...


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where counting stops; None is no bound."""

    accounts: int | None = None
    rows: int | None = None
    until_s: float | None = None


@dataclass(slots=True)
class Counted:
    """By number of the day since the epoch; every day of the range has its place. `whole` is False at a bound."""

    days: dict[int, DayTakings]
    rows: int = 0
    accounts: int = 0
    whole: bool = True


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
