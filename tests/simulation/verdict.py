"""The books at rest: figures, and every invariant that did not hold."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, fields

from multiconnection.ledger import items as ledger_items
from multiconnection.ledger.models import UsageRow
from multiconnection.ledger.reconcile import ReconcileReport
from multiconnection.ledger.reserve import ACTIVITY_BUCKET_S

from .world import CallRecord, World

# Later than any hold's expiry and margin, also for a sweeper whose clock is ten minutes behind.
LATE_S = 3600.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """Figures of one or several worlds; `violations` is empty when all is right."""

    calls: int = 0
    served: int = 0
    faults: int = 0
    crashes: int = 0
    usage_rows: int = 0
    drift: int = 0
    double_charges: int = 0
    lost_rows: int = 0
    stale_holds: int = 0
    violations: tuple[str, ...] = ()

    def __add__(self, other: "Verdict") -> "Verdict":
        return Verdict(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    def __str__(self) -> str:
        return ", ".join(
            f"{field.name.replace('_', ' ')} {getattr(self, field.name)}"
            for field in fields(self)
            if field.name != "violations"
        )


async def verdict(world: World, *, honest: bool = False) -> Verdict:
    """Let everything come to rest, sweep late, reconcile.

    `honest`: no sweeper's clock is ahead, so a call that its gateway settled was decided by its gateway.
    """
    await world.rest()
    await asyncio.sleep(LATE_S)
    # Two sweepers at once; whatever they leave is stale.
    await asyncio.gather(world.sweep(), world.sweep())
    stale = sum(len(image.holds) for image in world.auditor.images.values())
    await asyncio.sleep(2 * ACTIVITY_BUCKET_S)
    world.network.instant = True
    await world.sweep()
    reports = await world.maintenance(world.process()).reconcile_all()
    world.auditor.look_again()
    lost = [f"I7: the upstream served {hold_id} and there is no row" for hold_id in _lost(world)]
    doubled = [f"I4: {hold_id} was charged {n} times" for (_, hold_id), n in world.auditor.charges.items() if n > 1]
    wrong = [*_books(reports), *_settlements(world, honest), *(await _index(world)), *world.deadly_alarms()]
    stale_holds = [f"liveness: {stale} holds survived the sweep"] if stale else []
    kinds = world.network.injected
    return Verdict(
        calls=len(world.calls),
        served=sum(record.cost is not None for record in world.calls.values()),
        faults=sum(count for kind, count in kinds.items() if kind != "none"),
        crashes=sum(count for kind, count in kinds.items() if kind.startswith("crash")),
        usage_rows=sum(report.usage_rows for report in reports),
        drift=sum(report.drift for report in reports),
        double_charges=len(doubled),
        lost_rows=len(lost),
        stale_holds=stale,
        violations=(*world.auditor.violations, *doubled, *lost, *stale_holds, *wrong),
    )


def _lost(world: World) -> list[str]:
    return [
        hold_id
        for (account_id, hold_id), record in world.calls.items()
        if record.cost is not None and world.auditor.row(account_id, hold_id) is None
    ]


def _books(reports: list[ReconcileReport]) -> Iterator[str]:
    for report in reports:
        if report.drift or not report.verified or report.live_holds:
            yield f"reconcile: {report}"


async def _index(world: World) -> list[str]:
    """Accounts at rest cost the sweeper nothing."""
    store = world.admin().store
    return [f"liveness: {account_id} is idle and in the index" async for account_id in store.active_account_ids()]


def _settlements(world: World, honest: bool) -> Iterator[str]:
    for (account_id, hold_id), record in world.calls.items():
        item = world.auditor.row(account_id, hold_id)
        if item is not None:
            yield from _settlement(record, ledger_items.parse_usage(item), honest)


def _settlement(record: CallRecord, row: UsageRow, honest: bool) -> Iterator[str]:
    told = record.settlement
    if told is not None and told.decided and told.row != row:
        yield f"I5: the gateway was told {told.row}, but {row} stands"
    if row.decided_by == "gateway" and (row.cost, row.overrun) != _charge(record, row.hold):
        yield f"I6: {row.hold_id} cost {record.cost} of a hold of {row.hold}, row says {row.cost} + {row.overrun}"
    if honest and told is not None and told.decided and row.decided_by != "gateway":
        yield f"honesty: {row.hold_id} was settled by its gateway and decided by the {row.decided_by}"


def _charge(record: CallRecord, hold: int) -> tuple[int, int]:
    """Cost and overrun that the endings table and I6 ask for."""
    cost = record.cost or 0
    return min(cost, hold), max(0, cost - hold)
