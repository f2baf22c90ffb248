"""Figures of revenue by day, model and account, and reconciliations of the ledger."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from multiconnection.ledger.models import UsageRow
from multiconnection.ledger.reconcile import ReconcileReport, totals

DAY_S = 86_400
FINDINGS_MAX = 200
Grouping = Literal["day", "model", "account"]


@dataclass(slots=True)
class RevenueFigures:
    """Amounts in n$. `unpriced` calls have a price version that cannot be read, so their upstream cost is unknown."""

    calls: int = 0
    revenue: int = 0
    upstream_cost: int = 0
    unpriced: int = 0

    @property
    def margin(self) -> int:
        return self.revenue - self.upstream_cost

    def add(self, other: "RevenueFigures") -> None:
        self.calls += other.calls
        self.revenue += other.revenue
        self.upstream_cost += other.upstream_cost
        self.unpriced += other.unpriced


@dataclass(slots=True)
class DayFigures:
    """One day in UTC, by the time at which calls arrived."""

    total: RevenueFigures = field(default_factory=RevenueFigures)
    models: dict[str, RevenueFigures] = field(default_factory=dict)
    accounts: dict[str, RevenueFigures] = field(default_factory=dict)

    def add(self, row: UsageRow, figures: RevenueFigures) -> None:
        self.total.add(figures)
        self.models.setdefault(row.model, RevenueFigures()).add(figures)
        self.accounts.setdefault(row.account_id, RevenueFigures()).add(figures)

    def grouped(self, grouping: Grouping, day: str) -> Mapping[str, RevenueFigures]:
        """The figures by name; a day's own name is `day`."""
        return {"day": {day: self.total}, "model": self.models, "account": self.accounts}[grouping]


@dataclass(frozen=True, slots=True)
class Revenue:
    """Figures by name. `missing` days have none; with `truncated`, some accounts of the latest days were not read."""

    rows: Mapping[str, RevenueFigures]
    total: RevenueFigures
    missing: Sequence[str]
    truncated: bool


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """`drift` is n$ and must be 0; `findings` are the accounts with errors, and those that could not be verified.

    `complete` is False when only some accounts were checked, or there are more findings than are kept.
    """

    at_s: int
    accounts: int
    drift: int
    unverified: int
    stale_holds: int
    complete: bool
    findings: Sequence[ReconcileReport]


def day_name(number: int) -> str:
    """The date of a day by its number since the epoch."""
    return datetime.fromtimestamp(number * DAY_S, UTC).date().isoformat()


def day_number(name: str) -> int:
    """Raises ValueError."""
    return int(datetime.fromisoformat(f"{name}T00:00:00+00:00").timestamp()) // DAY_S


def summed(parts: Iterable[tuple[str, RevenueFigures]]) -> dict[str, RevenueFigures]:
    found: dict[str, RevenueFigures] = {}
    for name, figures in parts:
        found.setdefault(name, RevenueFigures()).add(figures)
    return found


def summary(reports: Sequence[ReconcileReport], at_s: int, *, whole: bool = True) -> Reconciliation:
    """The reconciliation of these accounts, worst findings first."""
    sums = totals(list(reports))
    wrong = [report for report in reports if report.drift or not report.verified or report.stale_holds]
    wrong.sort(key=lambda report: (-report.drift, report.verified, report.account_id))
    return Reconciliation(
        at_s=at_s,
        accounts=sums["accounts"],
        drift=sums["drift"],
        unverified=sums["unverified"],
        stale_holds=sums["stale_holds"],
        complete=whole and len(wrong) <= FINDINGS_MAX,
        findings=wrong[:FINDINGS_MAX],
    )
