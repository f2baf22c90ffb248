"""The jobs of the workers: end expired holds, replay queued decisions, reconcile accounts."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

from multiconnection.observability.metrics import Emf, Group
from multiconnection.ports import Alarms, Clock
from multiconnection.retry import StoreError

from .ledger import Ledger
from .models import SweepReport, UsageRow
from .reconcile import ReconcileReport, totals, unreadable

Decode = Callable[[str], UsageRow]
HOLDS = Group(((),), {"HoldsOutstanding": "Count", "OldestHoldAge": "Seconds", "HoldsEnded": "Count"})
BOOKS = Group(((),), {"Drift": "Count", "UnverifiedAccounts": "Count", "StaleHolds": "Count"})


@dataclass(frozen=True, slots=True)
class Maintenance:
    """One per worker process. `on_swept` and `on_reconciled` publish the figures of a whole run."""

    ledger: Ledger
    clock: Clock
    alarms: Alarms
    on_swept: Callable[[SweepReport, float], None] | None = None
    on_reconciled: Callable[[Mapping[str, int]], None] | None = None

    async def sweep_active(self, until_s: float | None = None) -> SweepReport:
        """Sweep the accounts that called recently, so that idle ones cost nothing. Stops at `until_s`."""
        return await self._sweep(self.ledger.store.active_account_ids(), until_s)

    async def sweep_all(self, until_s: float | None = None) -> SweepReport:
        """Sweep every account, once a day: the index of recent callers is only a hint. Stops at `until_s`."""
        return await self._sweep(self.ledger.store.all_account_ids(), until_s)

    async def reconcile_all(self) -> list[ReconcileReport]:
        """Compare every account with its rows. Drift raises an alarm and is never repaired."""
        reports, _ = await self._reconcile(None, None)
        if self.on_reconciled is not None:
            self.on_reconciled(totals(reports))
        return reports

    async def reconcile_some(self, accounts_max: int, until_s: float) -> tuple[list[ReconcileReport], bool]:
        """Reconcile as many accounts as bound and time allow, and say whether these were all. Publishes no metric."""
        return await self._reconcile(accounts_max, until_s)

    async def replay(self, message_id: str, body: str, decode: Decode) -> bool:
        """Settle a message of the fallback queue; False if it has to be delivered again."""
        try:
            row = decode(body)
        except ValueError as exc:
            self.alarms.alarm("fallback_message_unreadable", message_id=message_id, error=repr(exc))
            return False
        return await self.ledger.replay(row)

    async def _sweep(self, account_ids: AsyncIterator[str], until_s: float | None) -> SweepReport:
        accounts = ended = failed = waiting = 0
        expiries: list[int] = []
        oldest: list[int] = []
        complete = True
        async for account_id in account_ids:
            if until_s is not None and self.clock.now() >= until_s:
                complete = False
                break
            accounts += 1
            try:
                swept = await self.ledger.sweep(account_id)
            except (StoreError, KeyError, ValueError) as exc:
                # An account that cannot be read must not keep the money of others locked.
                self.alarms.alarm("sweep_failed", account_id=account_id, error=repr(exc))
                failed += 1
                continue
            ended += swept.ended
            failed += swept.failed
            waiting += swept.waiting
            if swept.next_expiry_s is not None:
                expiries.append(swept.next_expiry_s)
            if swept.oldest_expiry_s is not None:
                oldest.append(swept.oldest_expiry_s)
        next_expiry_s, oldest_expiry_s = min(expiries, default=None), min(oldest, default=None)
        report = SweepReport(accounts, ended, failed, waiting, next_expiry_s, complete, oldest_expiry_s)
        if self.on_swept is not None:
            self.on_swept(report, self.clock.now())
        return report

    async def _reconcile(self, accounts_max: int | None, until_s: float | None) -> tuple[list[ReconcileReport], bool]:
        reports: list[ReconcileReport] = []
        seen = 0
        async for account_id in self.ledger.store.all_account_ids():
            if seen == accounts_max or (until_s is not None and self.clock.now() >= until_s):
                return reports, False
            seen += 1
            report = await self._report(account_id)
            if report is not None:
                reports.append(report)
                self._alarm_drift(report)
        return reports, True

    async def _report(self, account_id: str) -> ReconcileReport | None:
        try:
            return await self.ledger.reconcile(account_id)
        except (KeyError, ValueError) as exc:
            self.alarms.alarm("account_unreadable", account_id=account_id, error=repr(exc))
            return unreadable(account_id, repr(exc))

    def _alarm_drift(self, report: ReconcileReport) -> None:
        if report.drift:
            self.alarms.alarm(
                "drift",
                account_id=report.account_id,
                charged_drift=report.charged_drift,
                credits_drift=report.credits_drift,
                breaches=report.breaches,
            )


class JobMetrics:
    """Publishes the figures of whole runs."""

    def __init__(self, emf: Emf, hold_lifetime_s: float) -> None:
        self._emf = emf
        self._hold_lifetime_s = hold_lifetime_s

    def swept(self, report: SweepReport, now_s: float) -> None:
        """Silent while no account has been active: what is idle costs nothing, its metrics neither."""
        if not report.accounts:
            return
        age_s = 0.0
        if report.oldest_expiry_s is not None:
            age_s = max(0.0, now_s - report.oldest_expiry_s + self._hold_lifetime_s)
        members = {
            "HoldsOutstanding": report.waiting + report.failed,
            "OldestHoldAge": round(age_s),
            "HoldsEnded": report.ended,
            "accounts": report.accounts,
            "failed": report.failed,
            "complete": report.complete,
        }
        self._emf.put("sweep", (HOLDS,), members)

    def reconciled(self, totals: Mapping[str, int]) -> None:
        members = {
            "Drift": totals["drift"],
            "UnverifiedAccounts": totals["unverified"],
            "StaleHolds": totals["stale_holds"],
        }
        self._emf.put("reconciliation", (BOOKS,), {**totals, **members})
