"""Sweep: calls that died keep no money locked and leave a row."""

from dataclasses import replace

from multiconnection.ledger.sweep import Swept
from multiconnection.retry import StoreThrottled
from multiconnection.usage import Ended, UsageSource
from tests.ledger.books import ACCOUNT, AMOUNT, COST, FUNDS, START_S, Books, row_of, some_hold

EXPIRED_S = START_S + 180 + 60


async def test_an_expired_hold_is_decided_at_no_cost_and_given_back(books: Books) -> None:
    # given
    hold = await books.reserve(some_hold())
    # when
    books.clock.at_s = EXPIRED_S
    swept = await books.ledger.sweep(ACCOUNT)
    # then
    assert (swept.ended, swept.failed, swept.waiting) == (1, 0, 0)
    assert await books.money() == (FUNDS, 0, 0)
    row = await books.store.usage_row(ACCOUNT, hold.hold_id)
    assert row is not None
    assert (row.cost, row.birth, row.hold, row.model) == (0, hold.birth, AMOUNT, "model-g4o")
    assert (row.ended, row.usage_source, row.decided_by) == (Ended.KILLED, UsageSource.NONE, "sweeper")


async def test_a_hold_within_its_margin_is_left_alone(books: Books) -> None:
    await books.reserve(some_hold())
    books.clock.at_s = EXPIRED_S - 1
    assert await books.ledger.sweep(ACCOUNT) == Swept(
        waiting=1, next_expiry_s=START_S + 180, oldest_expiry_s=START_S + 180
    )
    assert await books.money() == (FUNDS - AMOUNT, AMOUNT, 0)


async def test_the_next_expiry_is_that_of_the_oldest_waiting_hold(books: Books) -> None:
    for number, lasts_s in enumerate((10, 300, 200)):
        await books.reserve(some_hold(f"hold-{number}", amount=1, lasts_s=lasts_s))
    books.clock.at_s = START_S + 100
    assert await books.ledger.sweep(ACCOUNT) == Swept(
        ended=1, waiting=2, next_expiry_s=START_S + 200, oldest_expiry_s=START_S + 200
    )


async def test_a_call_that_died_after_its_decision_is_charged_what_was_decided(books: Books) -> None:
    hold = await books.reserve(some_hold())
    await books.store.decide(row_of(hold))
    books.clock.at_s = EXPIRED_S
    assert (await books.ledger.sweep(ACCOUNT)).ended == 1
    assert await books.money() == (FUNDS - COST, 0, COST)


async def test_a_resurrected_hold_costs_nothing(books: Books) -> None:
    # given a settled call whose reserve came a second time
    hold = await books.reserve(some_hold())
    await books.ledger.settle(hold, row_of(hold))
    await books.reserve(some_hold())
    # when
    books.clock.at_s = EXPIRED_S
    await books.ledger.sweep(ACCOUNT)
    # then
    assert await books.money() == (FUNDS - COST, 0, COST)
    assert await books.store.usage_row(ACCOUNT, hold.hold_id) == row_of(hold)


async def test_one_hold_that_fails_does_not_keep_the_others(books: Books) -> None:
    for number in range(3):
        await books.reserve(some_hold(f"hold-{number}", amount=1, lasts_s=number))
    books.clock.at_s = EXPIRED_S
    books.driver.fail("PutItem", StoreThrottled("x"), times=4)
    assert await books.ledger.sweep(ACCOUNT) == Swept(ended=2, failed=1, oldest_expiry_s=START_S)
    assert list((await books.image()).holds) == ["hold-0"]
    assert (await books.ledger.sweep(ACCOUNT)).ended == 1


async def test_sweeping_twice_changes_nothing_more(books: Books) -> None:
    await books.reserve(some_hold())
    books.clock.at_s = EXPIRED_S
    await books.ledger.sweep(ACCOUNT)
    version = (await books.image()).version
    books.clock.at_s = START_S
    assert (await books.ledger.sweep(ACCOUNT)).ended == 0
    assert (await books.image()).version == version


async def test_an_account_that_is_idle_for_a_bucket_leaves_the_index(books: Books) -> None:
    # given
    hold = await books.reserve(some_hold())
    await books.ledger.settle(hold, row_of(hold))
    assert [account_id async for account_id in books.store.active_account_ids()] == [ACCOUNT]
    # when swept in the same bucket, and in the next
    await books.ledger.sweep(ACCOUNT)
    assert [account_id async for account_id in books.store.active_account_ids()] == [ACCOUNT]
    books.clock.at_s += 300
    await books.ledger.sweep(ACCOUNT)
    # then
    assert [account_id async for account_id in books.store.active_account_ids()] == []
    assert [account_id async for account_id in books.store.all_account_ids()] == [ACCOUNT]


async def test_a_reserve_brings_an_idle_account_back_into_the_index(books: Books) -> None:
    hold = await books.reserve(some_hold())
    await books.ledger.settle(hold, row_of(hold))
    books.clock.at_s += 300
    await books.ledger.sweep(ACCOUNT)
    await books.reserve(replace(some_hold("hold-2"), expires_s=START_S + 900))
    assert [account_id async for account_id in books.store.active_account_ids()] == [ACCOUNT]


async def test_an_unknown_account_is_nothing_to_sweep(books: Books) -> None:
    assert await books.ledger.sweep("nobody") == Swept()
