"""Reconciliation: each kind of drift is found, and what is merely under way is none."""

from collections.abc import Callable

import pytest

from multiconnection.ledger import items as ledger_items
from multiconnection.ledger.dynamo import DynamoStore, LedgerTables
from multiconnection.ledger.models import ACTIVE, Account
from multiconnection.ledger.reconcile import READS_MAX, ReconcileReport, reconcile_account, totals
from tests.ledger.books import (
    ACCOUNT,
    AMOUNT,
    BALANCES,
    COST,
    CREDITS,
    FUNDS,
    START_S,
    USAGE,
    Books,
    credit_key,
    row_of,
    some_hold,
    usage_key,
)

Tamper = Callable[[Books], None]


async def report_of(books: Books) -> ReconcileReport:
    report = await books.ledger.reconcile(ACCOUNT)
    assert report is not None
    return report


async def used(books: Books) -> None:
    """One call settled and one in flight."""
    hold = await books.reserve(some_hold())
    await books.ledger.settle(hold, row_of(hold))
    await books.reserve(some_hold("hold-2"))


async def test_books_that_are_right_have_no_drift(books: Books) -> None:
    await used(books)
    report = await report_of(books)
    assert (report.drift, report.verified, report.breaches) == (0, True, ())
    assert (report.credits_in, report.available, report.held, report.charged) == (FUNDS, 30, AMOUNT, COST)
    assert (report.usage_rows, report.live_holds, report.stale_holds, report.overrun) == (1, 1, 0, 0)


TAMPERED: dict[str, tuple[Tamper, int, int, int]] = {
    "a row that costs more": (lambda books: books.tamper_row(USAGE, usage_key("hold-1"), cost=COST + 1), -1, 0, 0),
    "a row that costs less": (lambda books: books.tamper_row(USAGE, usage_key("hold-1"), cost=COST - 1), 1, 0, 0),
    "a row that is gone": (lambda books: books.delete(USAGE, usage_key("hold-1")), COST, 0, 0),
    "a credit that is gone": (lambda books: books.delete(CREDITS, credit_key("opening")), 0, FUNDS, 0),
    "a credit of another amount": (lambda books: books.tamper_row(CREDITS, credit_key("opening"), amount=99), 0, 1, 0),
    "a row above its hold, made up for elsewhere": (
        lambda books: books.tamper_row(USAGE, usage_key("hold-1"), hold=COST - 1),
        0,
        0,
        1,
    ),
    "more charged": (lambda books: books.tamper(charged=COST + 5, avail=25), 5, 0, 0),
    "less charged": (lambda books: books.tamper(charged=COST - 5, avail=35), -5, 0, 0),
    "more credited": (lambda books: books.tamper(credits_in=FUNDS + 3, avail=33), 0, 3, 0),
    "more available": (lambda books: books.tamper(avail=31), 0, 0, 1),
    "less held": (lambda books: books.tamper(held=AMOUNT - 1, avail=31), 0, 0, 1),
    "another count of holds": (lambda books: books.tamper(nh=2), 0, 0, 1),
    "a negative balance": (lambda books: books.tamper(avail=-1, credits_in=69), 0, 69 - FUNDS, 1),
    "a negative budget": (lambda books: books.tamper(k_keyUNcap=-1), 0, 0, 1),
}


@pytest.mark.parametrize("case", TAMPERED)
async def test_it_finds_what_was_tampered_with(books: Books, case: str) -> None:
    # given
    await used(books)
    tamper, *expected = TAMPERED[case]
    # when
    tamper(books)
    # then
    report = await report_of(books)
    assert [report.charged_drift, report.credits_drift, len(report.breaches)] == expected
    assert report.drift == sum(map(abs, expected))
    assert report.verified


async def test_it_finds_a_row_of_a_call_that_was_never_charged(books: Books) -> None:
    hold = await books.reserve(some_hold())
    await books.ledger.settle(hold, row_of(hold))
    await books.store.decide(row_of(some_hold("never")))
    assert (await report_of(books)).charged_drift == -COST


async def test_it_finds_a_hold_that_vanished(books: Books) -> None:
    await used(books)
    books.driver.tables.execute(
        "UpdateItem",
        {
            "TableName": BALANCES,
            "Key": ledger_items.account_key(ACCOUNT),
            "UpdateExpression": "REMOVE #h, #b",
            "ExpressionAttributeNames": {"#h": "h_hold-2", "#b": "b_hold-2"},
        },
    )
    assert len((await report_of(books)).breaches) == 1


async def test_a_decision_that_is_not_applied_yet_is_no_drift(books: Books) -> None:
    hold = await books.reserve(some_hold())
    await books.store.decide(row_of(hold))
    assert (await report_of(books)).drift == 0


async def test_a_resurrected_hold_is_no_drift(books: Books) -> None:
    hold = await books.reserve(some_hold())
    await books.ledger.settle(hold, row_of(hold))
    await books.reserve(some_hold())
    assert (await report_of(books)).drift == 0


async def test_an_overrun_is_summed_and_is_no_drift(books: Books) -> None:
    hold = await books.reserve(some_hold())
    await books.ledger.settle(hold, row_of(hold, AMOUNT + 7))
    report = await report_of(books)
    assert (report.drift, report.overrun) == (0, 7)


async def test_an_expired_hold_is_stale(books: Books) -> None:
    await books.reserve(some_hold())
    books.clock.at_s += 240
    assert (await report_of(books)).stale_holds == 1


class BusyStore(DynamoStore):
    """Its account moves on right after each of the first reads."""

    def __init__(self, books: Books, reads: int) -> None:
        super().__init__(books.driver, LedgerTables(BALANCES, USAGE, CREDITS))
        self._reads = reads

    async def account(self, account_id: str) -> Account | None:
        image = await super().account(account_id)
        if self._reads:
            self._reads -= 1
            await self.set_status(account_id, ACTIVE)
        return image


@pytest.mark.parametrize(("reads", "verified"), [(READS_MAX - 1, True), (READS_MAX, False)])
async def test_an_account_that_never_stands_still_is_unverified_and_not_drifting(
    books: Books, reads: int, verified: bool
) -> None:
    await used(books)
    report = await reconcile_account(BusyStore(books, reads), ACCOUNT, START_S, 60)
    assert report is not None
    assert (report.verified, report.drift) == (verified, 0)
    assert (report.charged, report.held) == (COST, AMOUNT)


async def test_an_unknown_account_has_no_report(books: Books) -> None:
    assert await books.ledger.reconcile("nobody") is None


async def test_totals_are_sums_over_all_accounts(books: Books) -> None:
    await used(books)
    report = await report_of(books)
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
