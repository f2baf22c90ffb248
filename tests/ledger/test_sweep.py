"""Sweep: calls that died keep no money locked and leave a row."""

from dataclasses import replace

from multiconnection.ledger.sweep import Swept
from multiconnection.retry import StoreThrottled
from multiconnection.usage import Ended, UsageSource
from tests.support.ledger_world import ACCOUNT, AMOUNT, COST, FUNDS, START_S, LedgerWorld, row_of, some_hold

EXPIRED_S = START_S + 180 + 60


async def test_an_expired_hold_is_decided_at_no_cost_and_given_back(world: LedgerWorld) -> None:
    # given
    hold = await world.reserve(some_hold())
    # when
    world.clock.at_s = EXPIRED_S
    swept = await world.ledger.sweep(ACCOUNT)
    # then
    assert (swept.ended, swept.failed, swept.waiting) == (1, 0, 0)
    assert await world.money() == (FUNDS, 0, 0)
    row = await world.store.usage_row(ACCOUNT, hold.hold_id)
    assert row is not None
    assert (row.cost, row.birth, row.hold, row.model) == (0, hold.birth, AMOUNT, "model-g4o")
    assert (row.ended, row.usage_source, row.decided_by) == (Ended.KILLED, UsageSource.NONE, "sweeper")


async def test_a_hold_within_its_margin_is_left_alone(world: LedgerWorld) -> None:
    await world.reserve(some_hold())
    world.clock.at_s = EXPIRED_S - 1
    assert await world.ledger.sweep(ACCOUNT) == Swept(
        waiting=1, next_expiry_s=START_S + 180, oldest_expiry_s=START_S + 180
    )
    assert await world.money() == (FUNDS - AMOUNT, AMOUNT, 0)


async def test_the_next_expiry_is_that_of_the_oldest_waiting_hold(world: LedgerWorld) -> None:
    for number, lasts_s in enumerate((10, 300, 200)):
        await world.reserve(some_hold(f"hold-{number}", amount=1, lasts_s=lasts_s))
    world.clock.at_s = START_S + 100
    assert await world.ledger.sweep(ACCOUNT) == Swept(
        ended=1, waiting=2, next_expiry_s=START_S + 200, oldest_expiry_s=START_S + 200
    )


async def test_a_call_that_died_after_its_decision_is_charged_what_was_decided(world: LedgerWorld) -> None:
    hold = await world.reserve(some_hold())
    await world.store.decide(row_of(hold))
    world.clock.at_s = EXPIRED_S
    assert (await world.ledger.sweep(ACCOUNT)).ended == 1
    assert await world.money() == (FUNDS - COST, 0, COST)


async def test_a_resurrected_hold_costs_nothing(world: LedgerWorld) -> None:
    # given a settled call whose reserve came a second time
    hold = await world.reserve(some_hold())
    await world.ledger.settle(hold, row_of(hold))
    await world.reserve(some_hold())
    # when
    world.clock.at_s = EXPIRED_S
    await world.ledger.sweep(ACCOUNT)
    # then
    assert await world.money() == (FUNDS - COST, 0, COST)
    assert await world.store.usage_row(ACCOUNT, hold.hold_id) == row_of(hold)


async def test_one_hold_that_fails_does_not_keep_the_others(world: LedgerWorld) -> None:
    for number in range(3):
        await world.reserve(some_hold(f"hold-{number}", amount=1, lasts_s=number))
    world.clock.at_s = EXPIRED_S
    world.driver.fail("PutItem", StoreThrottled("x"), times=4)
    assert await world.ledger.sweep(ACCOUNT) == Swept(ended=2, failed=1, oldest_expiry_s=START_S)
    assert list((await world.image()).holds) == ["hold-0"]
    assert (await world.ledger.sweep(ACCOUNT)).ended == 1


async def test_sweeping_twice_changes_nothing_more(world: LedgerWorld) -> None:
    await world.reserve(some_hold())
    world.clock.at_s = EXPIRED_S
    await world.ledger.sweep(ACCOUNT)
    version = (await world.image()).version
    world.clock.at_s = START_S
    assert (await world.ledger.sweep(ACCOUNT)).ended == 0
    assert (await world.image()).version == version


async def test_an_account_that_is_idle_for_a_bucket_leaves_the_index(world: LedgerWorld) -> None:
    # given
    hold = await world.reserve(some_hold())
    await world.ledger.settle(hold, row_of(hold))
    assert [account_id async for account_id in world.store.active_account_ids()] == [ACCOUNT]
    # when swept in the same bucket, and in the next
    await world.ledger.sweep(ACCOUNT)
    assert [account_id async for account_id in world.store.active_account_ids()] == [ACCOUNT]
    world.clock.at_s += 300
    await world.ledger.sweep(ACCOUNT)
    # then
    assert [account_id async for account_id in world.store.active_account_ids()] == []
    assert [account_id async for account_id in world.store.all_account_ids()] == [ACCOUNT]


async def test_a_reserve_brings_an_idle_account_back_into_the_index(world: LedgerWorld) -> None:
    hold = await world.reserve(some_hold())
    await world.ledger.settle(hold, row_of(hold))
    world.clock.at_s += 300
    await world.ledger.sweep(ACCOUNT)
    await world.reserve(replace(some_hold("hold-2"), expires_s=START_S + 900))
    assert [account_id async for account_id in world.store.active_account_ids()] == [ACCOUNT]


async def test_an_unknown_account_is_nothing_to_sweep(world: LedgerWorld) -> None:
    assert await world.ledger.sweep("nobody") == Swept()
