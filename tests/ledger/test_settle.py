"""Decide and apply: what is written down is what is charged, once."""

from dataclasses import replace

import pytest

from multiconnection.aws.dynamo import ConditionFailed
from multiconnection.ledger.store import AlreadyDecided
from multiconnection.ledger.sweep import orphan_row
from multiconnection.retry import OutcomeUnknown, StoreError, StoreThrottled, StoreUnavailable
from multiconnection.usage import Ended
from tests.support.ledger_world import ACCOUNT, AMOUNT, CAPPED_KEY, COST, FUNDS, START_S, LedgerWorld, row_of, some_hold


@pytest.mark.parametrize("cost", [0, 1, AMOUNT - 1, AMOUNT])
async def test_the_cost_is_charged_and_the_rest_comes_back(world: LedgerWorld, cost: int) -> None:
    # given
    hold = await world.reserve(some_hold())
    # when
    settlement = await world.ledger.settle(hold, row_of(hold, cost))
    # then
    assert (settlement.decided, settlement.applied, settlement.row) == (True, True, row_of(hold, cost))
    assert await world.money() == (FUNDS - cost, 0, cost)
    assert await world.store.usage_row(ACCOUNT, hold.hold_id) == settlement.row
    assert world.alarms.raised == []


async def test_a_cost_above_the_hold_is_bounded_recorded_and_alarmed(world: LedgerWorld) -> None:
    hold = await world.reserve(some_hold())
    settlement = await world.ledger.settle(hold, row_of(hold, AMOUNT + 7))
    assert (settlement.row.cost, settlement.row.overrun) == (AMOUNT, 7)
    assert await world.money() == (FUNDS - AMOUNT, 0, AMOUNT)
    assert world.alarms.raised == [("overrun", {"account_id": ACCOUNT, "hold_id": hold.hold_id, "overrun": 7})]


async def test_what_was_not_believed_adds_to_what_is_above_the_hold(world: LedgerWorld) -> None:
    hold = await world.reserve(some_hold())
    settlement = await world.ledger.settle(hold, replace(row_of(hold, AMOUNT + 7), overrun=3))
    assert (settlement.row.cost, settlement.row.overrun) == (AMOUNT, 10)


async def test_it_is_two_writes(world: LedgerWorld) -> None:
    hold = await world.reserve(some_hold())
    world.driver.calls.clear()
    await world.ledger.settle(hold, row_of(hold))
    assert world.driver.calls == ["PutItem", "UpdateItem"]


async def test_the_loser_charges_the_winners_row(world: LedgerWorld) -> None:
    # given a sweeper that was first
    hold = await world.reserve(some_hold())
    winner = orphan_row(hold, "gpt-4o", START_S)
    await world.store.decide(winner)
    # when
    settlement = await world.ledger.settle(hold, row_of(hold))
    # then
    assert settlement.row == winner
    assert await world.money() == (FUNDS, 0, 0)


async def test_the_winners_row_is_read_where_the_refusal_comes_without_it(world: LedgerWorld) -> None:
    hold = await world.reserve(some_hold())
    await world.store.decide(row_of(hold, 5))
    world.driver.fail("PutItem", ConditionFailed(None))
    with pytest.raises(AlreadyDecided) as decided:
        await world.store.decide(row_of(hold, 6))
    assert decided.value.row == row_of(hold, 5)


async def test_settling_again_changes_nothing(world: LedgerWorld) -> None:
    hold = await world.reserve(some_hold())
    first = await world.ledger.settle(hold, row_of(hold))
    version = (await world.image()).version
    second = await world.ledger.settle(hold, row_of(hold, AMOUNT))
    assert (second.row, second.applied) == (first.row, True)
    assert (await world.image()).version == version


async def test_lost_replies_of_both_writes_are_survived(world: LedgerWorld) -> None:
    hold = await world.reserve(some_hold())
    world.driver.lose_reply("PutItem")
    world.driver.lose_reply("UpdateItem")
    settlement = await world.ledger.settle(hold, row_of(hold))
    assert (settlement.decided, settlement.applied) == (True, True)
    assert await world.money() == (FUNDS - COST, 0, COST)


async def test_a_resurrected_hold_is_removed_at_no_cost(world: LedgerWorld) -> None:
    # given a settled call whose reserve is delivered again
    hold = await world.reserve(some_hold())
    await world.ledger.settle(hold, row_of(hold))
    again = await world.reserve(some_hold())
    assert again.birth != hold.birth
    # when
    settlement = await world.ledger.settle(again, row_of(again))
    # then
    assert settlement.row.birth == hold.birth
    assert await world.money() == (FUNDS - COST, 0, COST)


async def test_a_capped_key_gets_its_rest_back() -> None:
    world = LedgerWorld()
    await world.open(cap=50)
    hold = await world.reserve(some_hold(capped=True))
    await world.ledger.settle(hold, row_of(hold))
    assert (await world.image()).key_caps == {CAPPED_KEY: 50 - COST}


async def test_a_budget_that_is_gone_is_given_nothing_back_and_the_account_is() -> None:
    # given a capped key that is deleted in mid-call
    world = LedgerWorld()
    await world.open(cap=50)
    hold = await world.reserve(some_hold(capped=True))
    request = {
        "TableName": "Balances",
        "Key": {"account_id": {"S": ACCOUNT}},
        "UpdateExpression": "REMOVE #k",
        "ExpressionAttributeNames": {"#k": f"k_{CAPPED_KEY}"},
    }
    world.driver.tables.execute("UpdateItem", request)
    # when
    settlement = await world.ledger.settle(hold, row_of(hold))
    # then
    assert settlement.applied
    assert await world.money() == (FUNDS - COST, 0, COST)
    assert (await world.image()).key_caps == {}


@pytest.mark.parametrize("error", [StoreThrottled("x"), StoreUnavailable("x"), OutcomeUnknown("x")])
async def test_a_usage_table_that_is_down_sends_the_decision_to_the_queue(
    world: LedgerWorld, error: StoreError
) -> None:
    hold = await world.reserve(some_hold())
    world.driver.fail("PutItem", error, times=4)
    settlement = await world.ledger.settle(hold, row_of(hold, AMOUNT + 1))
    assert (settlement.decided, settlement.applied) == (False, False)
    assert world.queue.sent == [settlement.row]
    assert (settlement.row.cost, settlement.row.overrun) == (AMOUNT, 1)
    assert world.alarms.names == ["overrun", "decision_queued"]
    assert await world.money() == (FUNDS - AMOUNT, AMOUNT, 0)


async def test_table_and_queue_down_is_alarmed_and_never_raised(world: LedgerWorld) -> None:
    hold = await world.reserve(some_hold())
    world.driver.fail("PutItem", StoreThrottled("x"), times=4)
    world.queue.error = OutcomeUnknown("x")
    settlement = await world.ledger.settle(hold, row_of(hold))
    assert (settlement.decided, settlement.applied) == (False, False)
    assert world.alarms.names == ["decision_lost"]


async def test_a_balance_that_is_throttled_defers_the_charge(world: LedgerWorld) -> None:
    hold = await world.reserve(some_hold())
    world.driver.fail("UpdateItem", StoreThrottled("x"), times=5)
    settlement = await world.ledger.settle(hold, row_of(hold))
    assert (settlement.decided, settlement.applied) == (True, False)
    assert world.alarms.names == ["apply_deferred"]
    assert await world.money() == (FUNDS - AMOUNT, AMOUNT, 0)


async def test_a_settlement_ends_two_expired_holds_that_it_sees(world: LedgerWorld) -> None:
    # given three dead calls
    for number in range(3):
        await world.reserve(replace(some_hold(f"dead-{number}", amount=1), expires_s=START_S + number))
    world.clock.at_s += 200
    hold = await world.store.reserve(some_hold(), key_epoch=0, in_flight_max=10, activity_bucket=1)
    # when
    live = hold.holds["hold-1"]
    await world.ledger.settle(live, row_of(live))
    # then the two oldest are gone
    assert list((await world.image()).holds) == ["dead-2"]


async def test_a_queued_decision_is_finished_by_any_number_of_deliveries(world: LedgerWorld) -> None:
    hold = await world.reserve(some_hold())
    for _ in range(3):
        assert await world.ledger.replay(row_of(hold))
    assert await world.money() == (FUNDS - COST, 0, COST)


async def test_a_queued_decision_that_the_sweeper_overtook_changes_nothing(world: LedgerWorld) -> None:
    hold = await world.reserve(some_hold())
    world.clock.at_s += 1000
    await world.ledger.sweep(ACCOUNT)
    assert await world.ledger.replay(row_of(hold))
    row = await world.store.usage_row(ACCOUNT, hold.hold_id)
    assert row is not None
    assert row.ended is Ended.KILLED
    assert await world.money() == (FUNDS, 0, 0)


@pytest.mark.parametrize(("operation", "times"), [("PutItem", 4), ("UpdateItem", 5)])
async def test_a_queued_decision_asks_for_another_delivery_while_a_table_is_down(
    world: LedgerWorld, operation: str, times: int
) -> None:
    hold = await world.reserve(some_hold())
    world.driver.fail(operation, StoreThrottled("x"), times=times)
    assert not await world.ledger.replay(row_of(hold))
    assert world.queue.sent == []
    assert await world.ledger.replay(row_of(hold))
    assert await world.money() == (FUNDS - COST, 0, COST)
