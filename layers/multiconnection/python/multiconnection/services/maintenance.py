"""What the workers do: end dead holds, replay queued decisions, reconcile the books."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from multiconnection.domain.ports import Clock
from multiconnection.ledger.accounts import UsageRow
from multiconnection.ledger.ledger import Ledger
from multiconnection.ledger.reconcile import Report
from multiconnection.ledger.store import Alarms

Decode = Callable[[str], UsageRow]


@dataclass(frozen=True, slots=True)
class SweepReport:
    """`waiting` holds are live and not due; `next_expiry_s` is when the first of them expires."""

    accounts: int
    ended: int
    failed: int
    waiting: int
    next_expiry_s: int | None
    complete: bool


@dataclass(frozen=True, slots=True)
class Maintenance:
    """One per worker process."""

    ledger: Ledger
    clock: Clock
    alarms: Alarms

    async def sweep_active(self, until_s: float | None = None) -> SweepReport:
        """Only accounts that called lately: idle accounts cost nothing. Stops at `until_s` and goes on next time."""
        return await self._sweep(self.ledger.store.active_account_ids(), until_s)

    async def sweep_all(self, until_s: float | None = None) -> SweepReport:
        """The daily net under the hint."""
        return await self._sweep(self.ledger.store.all_account_ids(), until_s)

    async def reconcile_all(self) -> list[Report]:
        """Every account against its rows; an account that drifts is alarmed, never repaired."""
        reports = []
        async for account_id in self.ledger.store.all_account_ids():
            report = await self.ledger.reconcile(account_id)
            if report is not None:
                reports.append(report)
                self._alarm_drift(report)
        return reports

    async def replay(self, messages: list[tuple[str, str]], decode: Decode) -> list[str]:
        """Settle (message id, body) pairs of the fallback queue; returns the ids that must be delivered again."""
        failed = []
        for message_id, body in messages:
            try:
                row = decode(body)
            except (KeyError, ValueError) as exc:
                self.alarms.alarm("fallback_message_unreadable", message_id=message_id, error=repr(exc))
                failed.append(message_id)
                continue
            if not await self.ledger.replay(row):
                failed.append(message_id)
        return failed

    async def _sweep(self, account_ids: AsyncIterator[str], until_s: float | None) -> SweepReport:
        accounts = ended = failed = waiting = 0
        expiries: list[int] = []
        complete = True
        async for account_id in account_ids:
            if until_s is not None and self.clock.now() >= until_s:
                complete = False
                break
            swept = await self.ledger.sweep(account_id)
            accounts += 1
            ended += swept.ended
            failed += swept.failed
            waiting += swept.waiting
            if swept.next_expiry_s is not None:
                expiries.append(swept.next_expiry_s)
        return SweepReport(accounts, ended, failed, waiting, min(expiries, default=None), complete)

    def _alarm_drift(self, report: Report) -> None:
        if report.drift:
            self.alarms.alarm(
                "drift",
                account_id=report.account_id,
                charged_drift=report.charged_drift,
                credits_drift=report.credits_drift,
                breaches=report.breaches,
            )
