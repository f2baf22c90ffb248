"""Revenue against upstream cost: finished days from their roll-up, the days since from the rows themselves."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from multiconnection.domain.errors import RequestInvalid
from multiconnection.domain.ports import Clock
from multiconnection.ledger.store import Alarms

from .admin_takings import (
    DAY_S,
    Bounds,
    DayTakings,
    Group,
    Takings,
    TakingsCounter,
    day_name,
    day_number,
    groups,
    summed,
)
from .usage_history import readable

RANGE_DAYS_MAX = 366
DEFAULT_DAYS = 30
# Days that are counted on request where their roll-up is not there yet: today, and yesterday until it has been made.
LIVE_DAYS_MAX = 2
# One request's share of reading: a few seconds. More than this is told as `truncated`.
LIVE_BOUNDS = Bounds(accounts=500, rows=20_000)
LIVE_S = 8.0
# A row is written when its call ends, and by the sweeper some minutes later: the last days are counted again each day.
RECOUNTED_DAYS = 3
# After a standstill of the reconciler; what is older stays missing and is told as such.
BACKLOG_DAYS = 35


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
