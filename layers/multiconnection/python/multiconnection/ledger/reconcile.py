"""Reconciliation: recompute an account from its immutable rows, and report drift without repairing it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from .models import Account, breaches
from .store import Store
from .sweep import expired

# A busy account changes between two reads; after this many it is reported as unverified, not as drift.
READS_MAX = 5


@dataclass(frozen=True, slots=True)
class ReconcileReport:
    """An account and its drift in n$, which should be 0. `verified` is False if the account kept changing."""

    account_id: str
    verified: bool
    credits_in: int
    available: int
    held: int
    charged: int
    usage_rows: int
    live_holds: int
    stale_holds: int
    overrun: int
    charged_drift: int
    credits_drift: int
    breaches: tuple[str, ...]

    @property
    def drift(self) -> int:
        """Absolute drift in n$; each broken invariant counts as one."""
        return abs(self.charged_drift) + abs(self.credits_drift) + len(self.breaches)


async def reconcile_account(store: Store, account_id: str, now_s: float, margin_s: float) -> ReconcileReport | None:
    """None if the account does not exist. Reads rows between two equal images, so that live traffic is not drift."""
    before = await store.account(account_id)
    for _ in range(READS_MAX):
        if before is None:
            return None
        report = await _report(store, before, now_s, margin_s)
        after = await store.account(account_id)
        if after is not None and after.version == before.version:
            return report
        before = after
    return _of_image(before, now_s, margin_s) if before else None


async def _report(store: Store, image: Account, now_s: float, margin_s: float) -> ReconcileReport:
    rows = spent = unapplied = overrun = 0
    found = breaches(image)
    births = {hold.hold_id: hold.birth for hold in image.holds.values()}
    async for row in store.usage_rows(image.account_id):
        rows += 1
        spent += row.cost
        overrun += row.overrun
        if not 0 <= row.cost <= row.hold or row.overrun < 0:
            found.append(f"I6: {row.hold_id} costs {row.cost}, its hold was {row.hold}")
        if births.get(row.hold_id) == row.birth:
            unapplied += row.cost
    credited = 0
    async for credit in store.credit_rows(image.account_id):
        credited += credit.amount
    return replace(
        _of_image(image, now_s, margin_s),
        verified=True,
        usage_rows=rows,
        overrun=overrun,
        charged_drift=image.charged - (spent - unapplied),
        credits_drift=image.credits_in - credited,
        breaches=tuple(found),
    )


def _of_image(image: Account, now_s: float, margin_s: float) -> ReconcileReport:
    """A report from the account item alone, without its rows."""
    return ReconcileReport(
        account_id=image.account_id,
        verified=False,
        credits_in=image.credits_in,
        available=image.available,
        held=image.held,
        charged=image.charged,
        usage_rows=0,
        live_holds=len(image.holds),
        stale_holds=len(expired(image, now_s, margin_s)),
        overrun=0,
        charged_drift=0,
        credits_drift=0,
        breaches=tuple(breaches(image)),
    )


def unreadable(account_id: str, reason: str) -> ReconcileReport:
    """A report of an account whose items cannot be parsed; it counts as drift."""
    return ReconcileReport(account_id, False, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, (f"unreadable: {reason}",))


def totals(reports: list[ReconcileReport]) -> Mapping[str, int]:
    """Sums over all accounts."""
    names = ("credits_in", "available", "held", "charged", "usage_rows", "live_holds", "stale_holds", "overrun")
    sums = {name: sum(getattr(report, name) for report in reports) for name in names}
    unverified = sum(not report.verified for report in reports)
    return sums | {
        "accounts": len(reports),
        "drift": sum(report.drift for report in reports),
        "unverified": unverified,
    }
