"""A breach in production: alarm, stop serving the account, let nobody repair it silently."""

import pytest

from multiconnection.ledger.jobs import Maintenance
from multiconnection.ledger.models import ACTIVE, FROZEN, SUSPENDED, breaches
from multiconnection.ledger.reserve import ReserveRefusal, ReserveRefused
from multiconnection.retry import StoreThrottled
from tests.ledger.books import ACCOUNT, FUNDS, Books, row_of, some_hold


async def test_books_that_are_right_breach_nothing(books: Books) -> None:
    await books.reserve(some_hold())
    assert breaches(await books.image()) == []


@pytest.mark.parametrize(
    ("numbers", "broken"),
    [
        ({"credits_in": 1}, "I1"),
        ({"avail": 1}, "I1"),
        ({"charged": 1}, "I1"),
        ({"held": 1, "avail": FUNDS - 1}, "I2"),
        ({"nh": 1}, "I2"),
        ({"avail": -1, "credits_in": -1}, "I3"),
        ({"k_keyUNcap": -1}, "I3"),
    ],
)
async def test_each_breach_is_named(books: Books, numbers: dict[str, int], broken: str) -> None:
    books.tamper(**numbers)
    assert [breach[:2] for breach in breaches(await books.image())] == [broken]


async def test_a_breach_seen_by_a_reserve_refuses_it_freezes_the_account_and_alarms(books: Books) -> None:
    # given
    books.tamper(credits_in=FUNDS + 1)
    # when
    with pytest.raises(ReserveRefused) as refused:
        await books.reserve(some_hold())
    # then
    assert refused.value.refusal is ReserveRefusal.STATUS
    assert (await books.image()).status == FROZEN
    ((name, context),) = books.alarms.raised
    assert name == "invariant_breached"
    assert context["account_id"] == ACCOUNT
    # and the next one is refused by the account's status alone
    with pytest.raises(ReserveRefused):
        await books.reserve(some_hold("hold-2"))
    assert len(books.alarms.raised) == 1


async def test_a_breach_seen_by_a_settlement_freezes_the_account_and_the_call_is_settled(books: Books) -> None:
    hold = await books.reserve(some_hold())
    books.tamper(charged=1)
    settlement = await books.ledger.settle(hold, row_of(hold))
    assert settlement.applied
    assert (await books.image()).status == FROZEN
    assert books.alarms.names == ["invariant_breached"]


async def test_a_breach_seen_by_a_sweeper_freezes_the_account(books: Books) -> None:
    books.tamper(held=1)
    await books.ledger.sweep(ACCOUNT)
    assert (await books.image()).status == FROZEN
    assert books.alarms.names == ["invariant_breached"]


async def test_a_frozen_account_that_is_active_again_is_frozen_again(books: Books) -> None:
    books.tamper(held=1)
    for _ in range(2):
        await books.store.set_status(ACCOUNT, ACTIVE)
        await books.ledger.sweep(ACCOUNT)
        assert (await books.image()).status == FROZEN


async def test_a_suspended_account_stays_suspended(books: Books) -> None:
    await books.store.set_status(ACCOUNT, SUSPENDED)
    books.tamper(held=1)
    await books.ledger.sweep(ACCOUNT)
    assert (await books.image()).status == SUSPENDED
    assert books.alarms.names == ["invariant_breached"]


async def test_a_freeze_that_fails_is_alarmed_and_the_reserve_is_refused_nevertheless(books: Books) -> None:
    # given
    books.tamper(credits_in=FUNDS + 1)
    hold = await books.store.reserve(some_hold(), key_epoch=0, in_flight_max=10, activity_bucket=1)
    books.driver.fail("UpdateItem", StoreThrottled("x"))
    # when
    await books.ledger.sweep(ACCOUNT)
    # then
    assert hold.live_holds == 1
    assert books.alarms.names == ["invariant_breached", "freeze_failed"]


async def test_drift_is_alarmed_and_never_repaired(books: Books) -> None:
    hold = await books.reserve(some_hold())
    await books.ledger.settle(hold, row_of(hold))
    books.tamper(charged=31, avail=69)
    before = await books.image()
    (report,) = await Maintenance(books.ledger, books.clock, books.alarms).reconcile_all()
    assert report.drift == 1
    assert books.alarms.names == ["drift"]
    assert await books.image() == before
