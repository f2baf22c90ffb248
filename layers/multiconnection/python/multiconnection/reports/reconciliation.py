"""The latest reconciliation of the books, and one on request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from multiconnection.audit.log import AuditEntries, AuditEntry
from multiconnection.errors import LedgerUnavailable
from multiconnection.identity.models import Session
from multiconnection.ledger.jobs import Maintenance
from multiconnection.ledger.reconcile import ReconcileReport, totals
from multiconnection.ports import Alarms, Clock
from multiconnection.retry import Reliable, StoreError

from .revenue import RollUp

# What one request may read: an answer within API Gateway's half minute.
ACCOUNTS_MAX = 200
RUN_S = 15.0
FINDINGS_MAX = 200


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """`drift` is n$ and must be 0; `findings` are the accounts that are not right, or could not be verified.

    `complete` is False where only some accounts were looked at, or there are more findings than are kept.
    """

    at_s: int
    accounts: int
    drift: int
    unverified: int
    stale_holds: int
    complete: bool
    findings: Sequence[ReconcileReport]


class ReportStore(Protocol):
    """Each method raises StoreError."""

    async def put_reconciliation(self, reconciliation: Reconciliation) -> None: ...

    async def latest_reconciliation(self) -> Reconciliation | None: ...


class EntryStore(Protocol):
    async def append(self, entry: AuditEntry) -> None:
        """May be repeated with the same entry. Raises StoreError."""


@dataclass(frozen=True, slots=True)
class AdminReconciliation:
    maintenance: Maintenance
    store: ReportStore
    log: EntryStore
    entries: AuditEntries
    reliable: Reliable
    clock: Clock

    async def latest(self) -> Reconciliation | None:
        """None before the first. Raises LedgerUnavailable."""
        return await self.reliable(self.store.latest_reconciliation)

    async def run(self, admin: Session, accounts_max: int = ACCOUNTS_MAX) -> Reconciliation:
        """Logged before it begins. A run over some accounts only is answered and not kept. Raises LedgerUnavailable."""
        entry = self.entries.of(admin.email, "reconciliation.run", "books", {}, {"accounts_max": accounts_max})
        await self.reliable(lambda: self.log.append(entry))
        until_s = self.clock.now() + RUN_S
        reports, whole = await self.reliable(lambda: self.maintenance.reconcile_some(accounts_max, until_s))
        found = summary(reports, int(self.clock.now()), whole=whole)
        if whole:
            await self.reliable(lambda: self.store.put_reconciliation(found))
        return found


def summary(reports: Sequence[ReconcileReport], at_s: int, *, whole: bool = True) -> Reconciliation:
    """Worst first."""
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


# The reconciler's daily run: check the books, keep the report, add up the finished days.


@dataclass(frozen=True, slots=True)
class DailyRun:
    maintenance: Maintenance
    reports: ReportStore
    roll_up: RollUp
    reliable: Reliable
    alarms: Alarms
    clock: Clock

    async def run(self, until_s: float | None = None) -> Mapping[str, int]:
        """The totals over all accounts, of which `drift` must be 0, and how many days were added up.

        The books come first: what fails after them is an alarm, and done the next day.
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
