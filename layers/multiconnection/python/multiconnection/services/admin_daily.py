"""The reconciler's daily run: check the books, keep the report, add up the finished days."""

from collections.abc import Mapping
from dataclasses import dataclass

from multiconnection.domain.errors import LedgerUnavailable
from multiconnection.domain.ports import Clock
from multiconnection.ledger.reconcile import totals
from multiconnection.ledger.store import Alarms, StoreError

from .admin_access import Reliable
from .admin_reconciliation import ReportStore, summary
from .admin_revenue import RollUp
from .maintenance import Maintenance


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
