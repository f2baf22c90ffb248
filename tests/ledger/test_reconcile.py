"""Reconciliation: each kind of drift is found, and what is merely under way is none."""

from collections.abc import Callable

import pytest

from multiconnection.ledger import items as ledger_items
from multiconnection.ledger.dynamo import DynamoStore, LedgerTables
from multiconnection.ledger.models import ACTIVE, Account
from multiconnection.ledger.reconcile import READS_MAX, ReconcileReport, reconcile_account, totals
from tests.support.ledger_world import (
    ACCOUNT,
    AMOUNT,
    BALANCES,
    COST,
    CREDITS,
    FUNDS,
    START_S,
    USAGE,
    LedgerWorld,
    credit_key,
    row_of,
    some_hold,
    usage_key,
)

Tamper = Callable[[LedgerWorld], None]


async def report_of(world: LedgerWorld) -> ReconcileReport:
    report = await world.ledger.reconcile(ACCOUNT)
    assert report is not None
    return report


async def used(world: LedgerWorld) -> None:
    """One call settled and one in flight."""
    hold = await world.reserve(some_hold())
    await world.ledger.settle(hold, row_of(hold))
    await world.reserve(some_hold("hold-2"))


async def test_a_sound_account_has_no_drift(world: LedgerWorld) -> None:
    await used(world)
    report = await report_of(world)
    assert (report.drift, report.verified, report.breaches) == (0, True, ())
    assert (report.credits_in, report.available, report.held, report.charged) == (FUNDS, 30, AMOUNT, COST)
    assert (report.usage_rows, report.live_holds, report.stale_holds, report.overrun) == (1, 1, 0, 0)


TAMPERED: dict[str, tuple[Tamper, int, int, int]] = {
    "a row that costs more": (lambda world: world.tamper_row(USAGE, usage_key("hold-1"), cost=COST + 1), -1, 0, 0),
    "a row that costs less": (lambda world: world.tamper_row(USAGE, usage_key("hold-1"), cost=COST - 1), 1, 0, 0),
    "a row that is gone": (lambda world: world.delete(USAGE, usage_key("hold-1")), COST, 0, 0),
    "a credit that is gone": (lambda world: world.delete(CREDITS, credit_key("opening")), 0, FUNDS, 0),
    "a credit of another amount": (lambda world: world.tamper_row(CREDITS, credit_key("opening"), amount=99), 0, 1, 0),
    "a row above its hold, made up for elsewhere": (
        lambda world: world.tamper_row(USAGE, usage_key("hold-1"), hold=COST - 1),
        0,
        0,
        1,
    ),
    "more charged": (lambda world: world.tamper(charged=COST + 5, avail=25), 5, 0, 0),
    "less charged": (lambda world: world.tamper(charged=COST - 5, avail=35), -5, 0, 0),
    "more credited": (lambda world: world.tamper(credits_in=FUNDS + 3, avail=33), 0, 3, 0),
    "more available": (lambda world: world.tamper(avail=31), 0, 0, 1),
    "less held": (lambda world: world.tamper(held=AMOUNT - 1, avail=31), 0, 0, 1),
    "another count of holds": (lambda world: world.tamper(nh=2), 0, 0, 1),
    "a negative balance": (lambda world: world.tamper(avail=-1, credits_in=69), 0, 69 - FUNDS, 1),
    "a negative budget": (lambda world: world.tamper(k_keyUNcap=-1), 0, 0, 1),
}


@pytest.mark.parametrize("case", TAMPERED)
async def test_it_finds_what_was_tampered_with(world: LedgerWorld, case: str) -> None:
    # given
    await used(world)
    tamper, *expected = TAMPERED[case]
    # when
    tamper(world)
    # then
    report = await report_of(world)
    assert [report.charged_drift, report.credits_drift, len(report.breaches)] == expected
    assert report.drift == sum(map(abs, expected))
    assert report.verified


async def test_it_finds_a_row_of_a_call_that_was_never_charged(world: LedgerWorld) -> None:
    hold = await world.reserve(some_hold())
    await world.ledger.settle(hold, row_of(hold))
    await world.store.decide(row_of(some_hold("never")))
    assert (await report_of(world)).charged_drift == -COST


async def test_it_finds_a_hold_that_vanished(world: LedgerWorld) -> None:
    await used(world)
    world.driver.tables.execute(
        "UpdateItem",
        {
            "TableName": BALANCES,
            "Key": ledger_items.account_key(ACCOUNT),
            "UpdateExpression": "REMOVE #h, #b",
            "ExpressionAttributeNames": {"#h": "h_hold-2", "#b": "b_hold-2"},
        },
    )
    assert len((await report_of(world)).breaches) == 1


async def test_a_decision_that_is_not_applied_yet_is_no_drift(world: LedgerWorld) -> None:
    hold = await world.reserve(some_hold())
    await world.store.decide(row_of(hold))
    assert (await report_of(world)).drift == 0


async def test_a_resurrected_hold_is_no_drift(world: LedgerWorld) -> None:
    hold = await world.reserve(some_hold())
    await world.ledger.settle(hold, row_of(hold))
    await world.reserve(some_hold())
    assert (await report_of(world)).drift == 0


async def test_an_overrun_is_summed_and_is_no_drift(world: LedgerWorld) -> None:
    hold = await world.reserve(some_hold())
    await world.ledger.settle(hold, row_of(hold, AMOUNT + 7))
    report = await report_of(world)
    assert (report.drift, report.overrun) == (0, 7)


async def test_an_expired_hold_is_stale(world: LedgerWorld) -> None:
    await world.reserve(some_hold())
    world.clock.at_s += 240
    assert (await report_of(world)).stale_holds == 1


class BusyStore(DynamoStore):
    """Its account moves on right after each of the first reads."""

    def __init__(self, world: LedgerWorld, reads: int) -> None:
        super().__init__(world.driver, LedgerTables(BALANCES, USAGE, CREDITS))
        self._reads = reads

    async def account(self, account_id: str) -> Account | None:
        image = await super().account(account_id)
        if self._reads:
            self._reads -= 1
            await self.set_status(account_id, ACTIVE)
        return image


@pytest.mark.parametrize(("reads", "verified"), [(READS_MAX - 1, True), (READS_MAX, False)])
async def test_an_account_that_never_stands_still_is_unverified_and_not_drifting(
    world: LedgerWorld, reads: int, verified: bool
) -> None:
    await used(world)
    report = await reconcile_account(BusyStore(world, reads), ACCOUNT, START_S, 60)
    assert report is not None
    assert (report.verified, report.drift) == (verified, 0)
    assert (report.charged, report.held) == (COST, AMOUNT)


async def test_an_unknown_account_has_no_report(world: LedgerWorld) -> None:
    assert await world.ledger.reconcile("nobody") is None


async def test_totals_are_sums_over_all_accounts(world: LedgerWorld) -> None:
    await used(world)
    report = await report_of(world)
    assert totals([report, report]) == {
        "accounts": 2,
        "credits_in": 2 * FUNDS,
        "available": 60,
        "held": 2 * AMOUNT,
        "charged": 2 * COST,
        "usage_rows": 2,
        "live_holds": 2,
        "stale_holds": 0,
        "overrun": 0,
        "drift": 0,
        "unverified": 0,
    }
