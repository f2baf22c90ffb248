"""Calls, cost and tokens by day, and by model or key within each day."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal

from multiconnection.domain.call_times import began_s

from .usage_history import Figures, UsageFilter, UsageHistory

# About twenty reads of a megabyte each: seconds, not minutes.
ROWS_MAX = 50_000
DAY_S = 86_400
EPOCH = date(1970, 1, 1)

Group = Literal["model", "key"]


@dataclass(slots=True)
class Totals:
    """`cost` in n$."""

    calls: int = 0
    cost: int = 0
    tokens_in: int = 0
    tokens_out: int = 0

    def add(self, row: Figures) -> None:
        self.calls += 1
        self.cost += row.cost
        self.tokens_in += row.tokens_in
        self.tokens_out += row.tokens_out


@dataclass(slots=True)
class Day:
    totals: Totals = field(default_factory=Totals)
    groups: dict[str, Totals] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Summary:
    """`days` oldest first, without gaps; where it is truncated, the first one is not whole and there is none before."""

    days: Mapping[str, Day]
    total: Totals
    truncated: bool


async def summarise(
    history: UsageHistory,
    account_id: str,
    wanted: UsageFilter,
    group: Group | None,
    tz_offset_min: int,
    rows_max: int = ROWS_MAX,
) -> Summary:
    """`tz_offset_min` is what the days are ahead of UTC. Raises LedgerUnavailable."""
    shift_s = tz_offset_min * 60
    days: dict[int, Day] = {}
    total, truncated = Totals(), False
    async for batch in history.figures(account_id, wanted, rows_max):
        for row in batch.found:
            day = days.setdefault((began_s(row.hold_id) + shift_s) // DAY_S, Day())
            day.totals.add(row)
            total.add(row)
            if group is not None:
                day.groups.setdefault(row.model if group == "model" else row.key_id, Totals()).add(row)
        truncated = batch.after is not None
    first = (wanted.since_s + shift_s) // DAY_S
    if truncated:
        first = min(days, default=first)
    last = (wanted.until_s - 1 + shift_s) // DAY_S
    return Summary({_iso(number): days.get(number, Day()) for number in range(first, last + 1)}, total, truncated)


def _iso(number: int) -> str:
    return (EPOCH + timedelta(days=number)).isoformat()


def by_cost(groups: Mapping[str, Totals]) -> Iterator[tuple[str, Totals]]:
    """Dearest first."""
    yield from sorted(groups.items(), key=lambda pair: (-pair[1].cost, -pair[1].calls, pair[0]))
