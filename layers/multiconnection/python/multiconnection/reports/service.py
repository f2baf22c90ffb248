"""Revenue against upstream cost, and reconciliations: the daily run, and what administrators request in between."""

from collections.abc import Mapping
from dataclasses import dataclass

from multiconnection.audit.log import AuditEntries, AuditTable
from multiconnection.catalog.bounds import cost_nano
from multiconnection.catalog.models import CatalogError
from multiconnection.catalog.service import PriceBook, version_of
from multiconnection.errors import LedgerUnavailable, RequestInvalid
from multiconnection.history.models import UsageFilter
from multiconnection.history.store import UsageHistoryTable
from multiconnection.identity.models import Session
from multiconnection.ids import began_s
from multiconnection.ledger.jobs import Maintenance
from multiconnection.ledger.models import UsageRow
from multiconnection.ledger.reconcile import totals
from multiconnection.ledger.store import Store
from multiconnection.ports import Alarms, Clock
from multiconnection.retry import Reliable, StoreError, readable

from .models import (
    DAY_S,
    DayFigures,
    Grouping,
    Reconciliation,
    Revenue,
    RevenueFigures,
    day_name,
    day_number,
    summary,
    summed,
)
from .store import ReportsTable

RANGE_DAYS_MAX = 366
DEFAULT_DAYS = 30
# Days that are counted on request while they have no roll-up: today, and yesterday until the daily run.
LIVE_DAYS_MAX = 2
LIVE_S = 8.0
# Rows are written when calls end, or by the sweeper minutes later: the last days are counted again every day.
RECOUNTED_DAYS = 3
# Days that are made up for after the daily run has failed for a while; older ones stay missing and are listed so.
BACKLOG_DAYS = 35
# The accounts and the time that one request may take, within API Gateway's half minute.
ACCOUNTS_MAX = 200
RUN_S = 15.0


@dataclass(frozen=True, slots=True)
class CountBounds:
    """The point at which counting stops; None is unbounded."""

    accounts: int | None = None
    rows: int | None = None
    until_s: float | None = None


# A few seconds' worth of reading for one request; beyond it the answer is `truncated`.
LIVE_BOUNDS = CountBounds(accounts=500, rows=20_000)


@dataclass(slots=True)
class Counted:
    """Figures by number of the day since the epoch, for every day of the range. `whole` is False at a bound."""

    days: dict[int, DayFigures]
    rows: int = 0
    accounts: int = 0
    whole: bool = True


class RevenueCounter:
    """Counts the rows of a range of days, account by account."""

    def __init__(self, ledger: Store, usage: UsageHistoryTable, costs: PriceBook, clock: Clock) -> None:
        self._ledger = ledger
        self._usage = usage
        self._costs = costs
        self._clock = clock

    async def count(self, first: int, last: int, bounds: CountBounds) -> Counted:
        """Count the days from `first` to `last`. Raises StoreError."""
        counted = Counted({day: DayFigures() for day in range(first, last + 1)})
        wanted = UsageFilter(first * DAY_S, (last + 1) * DAY_S)
        async for account_id in self._ledger.all_account_ids():
            if self._is_over(counted, bounds):
                counted.whole = False
                break
            counted.accounts += 1
            await self._count_account(account_id, wanted, counted, bounds)
        return counted

    async def _count_account(self, account_id: str, wanted: UsageFilter, counted: Counted, bounds: CountBounds) -> None:
        after: str | None = None
        while True:
            batch = await self._usage.bulk(account_id, wanted, after)
            for row in batch.found:
                counted.days[began_s(row.hold_id) // DAY_S].add(row, await self._figures(row))
            counted.rows += len(batch.found)
            after = batch.after
            if after is None:
                return
            if self._is_over(counted, bounds):
                counted.whole = False
                return

    async def _figures(self, row: UsageRow) -> RevenueFigures:
        cost = await self._upstream_cost(row)
        return RevenueFigures(1, row.cost, cost or 0, int(cost is None))

    async def _upstream_cost(self, row: UsageRow) -> int | None:
        """n$ of the usage, charged or not; None when its price version cannot be read. Raises StoreError.

        An entry's `cost_prices` are the provider's; a kind without one costs the list price without markup.
        """
        model = await self._costs.model(version_of(row))
        if model is None:
            return None
        try:
            return cost_nano(model, row.usage, 0)
        except CatalogError:
            return None

    def _is_over(self, counted: Counted, bounds: CountBounds) -> bool:
        return (
            (bounds.rows is not None and counted.rows >= bounds.rows)
            or (bounds.accounts is not None and counted.accounts >= bounds.accounts)
            or (bounds.until_s is not None and self._clock.now() >= bounds.until_s)
        )


class AdminRevenue:
    """Revenue for administrators: finished days from their roll-up, the days since from the usage rows."""

    def __init__(self, reports: ReportsTable, counter: RevenueCounter, clock: Clock) -> None:
        self._reports = reports
        self._counter = counter
        self._clock = clock

    async def revenue(self, since_s: int | None, until_s: int | None, grouping: Grouping) -> Revenue:
        """The whole days in UTC that the range touches; the last thirty without a range. Raises RequestInvalid."""
        first, last = self._range(since_s, until_s)
        first_name, last_name = day_name(first), day_name(last)
        with readable("The revenue"):
            done = {day_number(day) async for day, _, _ in self._reports.read("day", first_name, last_name)}
            parts = [(name, figures) async for _, name, figures in self._reports.read(grouping, first_name, last_name)]
            live = [day for day in range(first, last + 1) if day not in done and day > self._today - LIVE_DAYS_MAX]
            truncated = False
            if live:
                bounds = CountBounds(LIVE_BOUNDS.accounts, LIVE_BOUNDS.rows, self._clock.now() + LIVE_S)
                counted = await self._counter.count(live[0], live[-1], bounds)
                parts += [part for day in live for part in counted.days[day].grouped(grouping, day_name(day)).items()]
                truncated = not counted.whole
        rows = summed(parts)
        total = RevenueFigures()
        for figures in rows.values():
            total.add(figures)
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
    """Writes the figures of finished days once a day, over those of an earlier run."""

    def __init__(self, reports: ReportsTable, counter: RevenueCounter, clock: Clock, alarms: Alarms) -> None:
        self._reports = reports
        self._counter = counter
        self._clock = clock
        self._alarms = alarms

    async def run(self, until_s: float | None = None) -> int:
        """The number of days written. Stops at `until_s` with an alarm; the next run continues. Raises StoreError."""
        today = int(self._clock.now()) // DAY_S
        recent = today - RECOUNTED_DAYS
        written = await self._write(recent, today - 1, until_s)
        done = {
            day_number(day)
            async for day, _, _ in self._reports.read("day", day_name(today - BACKLOG_DAYS), day_name(recent - 1))
        }
        # A first run writes every day; days before the first call are empty ones.
        backlog = [day for day in range(today - BACKLOG_DAYS, recent) if day not in done]
        return written + (await self._write(backlog[0], backlog[-1], until_s) if backlog else 0)

    async def _write(self, first: int, last: int, until_s: float | None) -> int:
        """All days or none: a day that was counted in part would look like a whole one."""
        counted = await self._counter.count(first, last, CountBounds(until_s=until_s))
        if not counted.whole:
            self._alarms.alarm("roll_up_unfinished", first=day_name(first), last=day_name(last), rows=counted.rows)
            return 0
        for day, figures in counted.days.items():
            await self._reports.put_day(day_name(day), figures)
        return len(counted.days)


@dataclass(frozen=True, slots=True)
class AdminReconciliation:
    """The latest reconciliation of the ledger, and a new one on request."""

    maintenance: Maintenance
    reports: ReportsTable
    log: AuditTable
    entries: AuditEntries
    reliable: Reliable
    clock: Clock

    async def latest(self) -> Reconciliation | None:
        """None before the first one. Raises LedgerUnavailable."""
        return await self.reliable(self.reports.latest_reconciliation)

    async def run(self, admin: Session, accounts_max: int = ACCOUNTS_MAX) -> Reconciliation:
        """Logged before it begins. A run over only some accounts is answered and not kept. Raises LedgerUnavailable."""
        entry = self.entries.of(admin.email, "reconciliation.run", "books", {}, {"accounts_max": accounts_max})
        await self.reliable(lambda: self.log.append(entry))
        until_s = self.clock.now() + RUN_S
        reports, whole = await self.reliable(lambda: self.maintenance.reconcile_some(accounts_max, until_s))
        found = summary(reports, int(self.clock.now()), whole=whole)
        if whole:
            await self.reliable(lambda: self.reports.put_reconciliation(found))
        return found


@dataclass(frozen=True, slots=True)
class DailyRun:
    """Reconcile the ledger, keep the report, roll up the finished days."""

    maintenance: Maintenance
    reports: ReportsTable
    roll_up: RollUp
    reliable: Reliable
    alarms: Alarms
    clock: Clock

    async def run(self, until_s: float | None = None) -> Mapping[str, int]:
        """The totals over all accounts, of which `drift` must be 0, and the number of days that were rolled up.

        The ledger is reconciled first; a failure after that is an alarm, and the next day's run makes up for it.
        """
        reports = await self.maintenance.reconcile_all()
        found = summary(reports, int(self.clock.now()))
        days = 0
        try:
            await self.reliable(lambda: self.reports.put_reconciliation(found))
            days = await self.roll_up.run(until_s)
        except (StoreError, LedgerUnavailable) as exc:
            self.alarms.alarm("reports_unwritten", error=str(exc))
        return {**totals(reports), "days": days}
