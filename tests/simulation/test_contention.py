"""Many calls at once on one account: exactly what the funds, the cap and the key's budget allow."""

import asyncio
from collections import Counter

import pytest

from multiconnection.keys.store import KeysTable
from multiconnection.ledger.models import ACTIVE, SUSPENDED

from .audit import BALANCES, KEYS
from .calls import Call, Reply, serve
from .faults import RandomFaults
from .scenarios import ACCOUNT, AMOUNT, simulate
from .verdict import Verdict, verdict
from .world import World

CALLS, AFFORDABLE = 200, 37
SEEDS = range(5)
LONG_S = 30.0


def start(world: World, calls: int, **fields: object) -> None:
    """Calls that hold AMOUNT for LONG_S, each in its own process, and cost it all."""
    for _ in range(calls):
        process = world.process()
        call = Call(ACCOUNT, world.new_hold_id(), AMOUNT, Reply(AMOUNT, takes_s=LONG_S), **fields)  # type: ignore[arg-type]
        world.spawn(serve(world, process, world.ledger(process), call))


def refusals(world: World) -> Counter[str | None]:
    return Counter(record.refusal for record in world.calls.values())


@pytest.mark.parametrize("seed", SEEDS)
def test_200_calls_for_funds_of_37_serve_exactly_37(seed: int) -> None:
    async def history() -> tuple[World, Verdict]:
        # given
        world = World(seed)
        world.open_account(ACCOUNT, AFFORDABLE * AMOUNT)
        # when
        start(world, CALLS)
        return world, await verdict(world, honest=True)

    world, found = simulate(history())
    # then
    assert refusals(world) == {None: AFFORDABLE, "balance": CALLS - AFFORDABLE}
    assert found.violations == ()
    assert world.auditor.images[ACCOUNT].number("charged") == AFFORDABLE * AMOUNT


@pytest.mark.parametrize("seed", SEEDS)
def test_200_calls_for_funds_of_37_under_faults_serve_at_most_37(seed: int) -> None:
    async def history() -> tuple[World, Verdict]:
        world = World(seed)
        world.open_account(ACCOUNT, AFFORDABLE * AMOUNT)
        for _ in range(CALLS):
            process = world.process(RandomFaults(world.rng, 0.2))
            call = Call(ACCOUNT, world.new_hold_id(), AMOUNT, Reply(AMOUNT, takes_s=LONG_S))
            world.spawn(serve(world, process, world.ledger(process), call))
        return world, await verdict(world)

    world, found = simulate(history())
    assert found.violations == ()
    assert 0 < sum(record.cost == AMOUNT for record in world.calls.values()) <= AFFORDABLE
    assert 0 < world.auditor.images[ACCOUNT].number("charged") <= AFFORDABLE * AMOUNT


@pytest.mark.parametrize("seed", SEEDS)
def test_the_call_above_the_in_flight_cap_is_refused_until_one_has_ended(seed: int) -> None:
    async def history() -> tuple[World, Verdict]:
        world = World(seed, in_flight_max=10)
        world.open_account(ACCOUNT, 1000 * AMOUNT)
        start(world, 10 + 1)
        await asyncio.sleep(2 * LONG_S)
        start(world, 10)
        return world, await verdict(world, honest=True)

    world, found = simulate(history())
    assert refusals(world) == {None: 20, "in_flight": 1}
    assert found.violations == ()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_keys_budget_is_never_passed(seed: int) -> None:
    async def history() -> tuple[World, Verdict]:
        world = World(seed)
        world.open_account(ACCOUNT, 1000 * AMOUNT)
        key, _ = world.open_key(ACCOUNT, AFFORDABLE * AMOUNT)
        start(world, CALLS, key_id=key.key_id, capped=True)
        return world, await verdict(world, honest=True)

    world, found = simulate(history())
    assert refusals(world) == {None: AFFORDABLE, "key_budget": CALLS - AFFORDABLE}
    assert found.violations == ()
    assert set(world.auditor.images[ACCOUNT].caps.values()) == {0}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_key_deleted_in_mid_call_ends_without_its_budget(seed: int) -> None:
    async def history() -> tuple[World, Verdict]:
        # given ten calls of a capped key in flight
        world = World(seed)
        world.open_account(ACCOUNT, 1000 * AMOUNT)
        key, _ = world.open_key(ACCOUNT, 1000 * AMOUNT)
        start(world, 10, key_id=key.key_id, capped=True)
        await asyncio.sleep(LONG_S / 2)
        # when the key is deleted, and used once more
        await KeysTable(world.driver(world.process()), KEYS, BALANCES).delete(key)
        start(world, 1, key_id=key.key_id, capped=True)
        return world, await verdict(world, honest=True)

    world, found = simulate(history())
    # then the ten are charged and the eleventh is refused
    assert refusals(world) == {None: 10, "key_epoch": 1}
    assert found.violations == ()
    assert world.auditor.images[ACCOUNT].number("charged") == 10 * AMOUNT
    assert world.auditor.images[ACCOUNT].caps == {}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_suspended_account_finishes_its_calls_and_starts_none(seed: int) -> None:
    async def history() -> tuple[World, Verdict]:
        world = World(seed)
        world.open_account(ACCOUNT, 1000 * AMOUNT)
        start(world, 5)
        await asyncio.sleep(LONG_S / 2)
        await world.admin().store.set_status(ACCOUNT, SUSPENDED)
        start(world, 5)
        await asyncio.sleep(LONG_S)
        await world.admin().store.set_status(ACCOUNT, ACTIVE)
        start(world, 5)
        return world, await verdict(world, honest=True)

    world, found = simulate(history())
    assert refusals(world) == {None: 10, "status": 5}
    assert found.violations == ()
    assert world.auditor.images[ACCOUNT].number("charged") == 10 * AMOUNT
