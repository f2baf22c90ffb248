"""Sweepers that die, run twice, come late or early; and the reserve that comes back from the dead."""

import asyncio

import pytest

from .audit import USAGE
from .calls import Call, Reply, serve
from .faults import EVERY_FAULT, Fault, FaultsAt, Kind
from .network import Process
from .scenarios import ACCOUNT, AMOUNT, COST, FUNDS, simulate
from .verdict import Verdict, verdict
from .world import World

DAY_S = 86_400.0
# Every shard of the index, the account, and then decide and apply for each hold.
INDEX_AND_IMAGE_IOS = 5


def start(world: World, faults: dict[int, Fault], amount: int = AMOUNT, cost: int = COST) -> tuple[Process, str]:
    process, hold_id = world.process(FaultsAt(faults)), world.new_hold_id()
    world.spawn(serve(world, process, world.ledger(process), Call(ACCOUNT, hold_id, amount, Reply(cost))))
    return process, hold_id


async def orphaned(world: World, calls: int = 1) -> None:
    """Calls whose process died after the reserve, long expired."""
    world.open_account(ACCOUNT, FUNDS * calls)
    for _ in range(calls):
        start(world, {1: Fault(Kind.CRASH_BEFORE)})
    await asyncio.sleep(300)


def balance(world: World) -> tuple[int, int, int]:
    image = world.auditor.images[ACCOUNT]
    return image.number("avail"), image.number("held"), image.number("charged")


@pytest.mark.parametrize("fault", EVERY_FAULT, ids=lambda fault: f"{fault.kind}-{fault.later_s:g}")
def test_a_sweeper_may_fail_at_any_io_and_the_next_one_ends_the_hold(fault: Fault) -> None:
    async def history(number: int) -> tuple[World, Verdict]:
        world = World(1)
        await orphaned(world)
        await world.sweep(plan=FaultsAt({number: fault}))
        return world, await verdict(world)

    for number in range(INDEX_AND_IMAGE_IOS + 2):
        world, found = simulate(history(number))
        assert found.violations == (), number
        assert balance(world) == (FUNDS, 0, 0)


@pytest.mark.parametrize("seed", range(20))
def test_two_sweepers_at_once_end_each_hold_once(seed: int) -> None:
    async def history() -> tuple[World, Verdict]:
        world = World(seed)
        await orphaned(world, calls=10)
        await asyncio.gather(world.sweep(), world.sweep(600.0))
        assert world.auditor.images[ACCOUNT].holds == {}
        return world, await verdict(world)

    world, found = simulate(history())
    assert found.violations == ()
    assert found.usage_rows == 10
    assert balance(world) == (FUNDS * 10, 0, 0)


def test_a_sweeper_stopped_for_a_day_ends_everything_when_it_is_back() -> None:
    async def history() -> tuple[World, Verdict]:
        # given a day of calls that die at every I/O, and no sweeper
        world = World(1)
        world.open_account(ACCOUNT, 100 * AMOUNT)
        for number in range(48):
            start(world, {number % 4: Fault(Kind.CRASH_AFTER)})
            await asyncio.sleep(DAY_S / 48)
        held = len(world.auditor.images[ACCOUNT].holds)
        # when
        await world.sweep()
        # then
        assert held == 36
        assert world.auditor.images[ACCOUNT].holds == {}
        return world, await verdict(world, honest=True)

    world, found = simulate(history())
    assert found.violations == ()
    # Those that died after the decision are charged, the others are not.
    assert balance(world)[2] == 24 * COST


def test_a_request_ends_the_expired_holds_that_it_sees() -> None:
    async def history() -> tuple[World, Verdict]:
        world = World(1)
        await orphaned(world)
        start(world, {})
        await world.rest()
        assert world.auditor.images[ACCOUNT].holds == {}
        return world, await verdict(world, honest=True)

    world, found = simulate(history())
    assert found.violations == ()
    assert balance(world) == (FUNDS - COST, 0, COST)


@pytest.mark.parametrize("late_s", [5.0, 100.0, 250.0, 3000.0])
def test_a_reserve_delivered_again_after_apply_is_given_back_at_no_cost(late_s: float) -> None:
    async def history() -> tuple[World, Verdict]:
        # given a first attempt that is delayed, and a second one that is served, decided and applied
        world = World(1)
        world.open_account(ACCOUNT, FUNDS)
        process, hold_id = start(world, {0: Fault(Kind.DELAYED, late_s)})
        await asyncio.sleep(4.8)
        assert process.ios == ["UpdateItem Balances", *process.ios[1:]]
        assert balance(world) == (FUNDS - COST, 0, COST)
        row = world.auditor.row(ACCOUNT, hold_id)
        # when the first attempt arrives
        await asyncio.sleep(late_s)
        # then the hold is back under the same id, with another birth
        assert balance(world) == (FUNDS - COST - AMOUNT, AMOUNT, COST)
        assert row is not None
        assert world.auditor.images[ACCOUNT].holds[hold_id].birth > int(row["birth"]["N"])
        return world, await verdict(world, honest=True)

    world, found = simulate(history())
    # and at rest it is gone, with nothing charged and no row more
    assert found.violations == ()
    assert balance(world) == (FUNDS - COST, 0, COST)
    assert len(world.tables.items(USAGE)) == 1


def test_an_apply_delivered_again_after_the_resurrection_removes_nothing() -> None:
    async def history() -> tuple[World, Verdict]:
        world = World(1)
        world.open_account(ACCOUNT, FUNDS)
        _, hold_id = start(world, {0: Fault(Kind.DELAYED, 30.0), 4: Fault(Kind.AGAIN_LATER, 60.0)})
        await asyncio.sleep(100.0)
        assert balance(world) == (FUNDS - COST - AMOUNT, AMOUNT, COST)
        assert hold_id in world.auditor.images[ACCOUNT].holds
        return world, await verdict(world, honest=True)

    world, found = simulate(history())
    assert found.violations == ()
    assert balance(world) == (FUNDS - COST, 0, COST)
