"""Money-in under every fault: each id moves money once, and never more is taken than there is."""

import asyncio
from collections.abc import Sequence

import pytest

from multiconnection.ledger.credit import CreditRefused
from multiconnection.ledger.models import CreditRow
from multiconnection.retry import StoreError

from .faults import EVERY_FAULT, Fault, FaultsAt, Plan, RandomFaults
from .network import ProcessDied
from .scenarios import ACCOUNT, FUNDS, simulate
from .verdict import Verdict, verdict
from .world import World

AMOUNT = 60


def row(credit_id: str, amount: int, kind: str = "order") -> CreditRow:
    return CreditRow(ACCOUNT, credit_id, amount, kind, "test", "admin", 1)


async def insist(world: World, credit: CreditRow, plans: Sequence[Plan]) -> bool:
    """As a workflow does: a process after the other until one is told an outcome; whether the money moved."""
    for plan in plans:
        try:
            await world.ledger(world.process(plan)).credit(credit)
        except CreditRefused:
            return False
        except (StoreError, ProcessDied):
            continue
        return True
    raise AssertionError("no attempt was answered")


async def credited(credit: CreditRow, *plans: Plan) -> tuple[Verdict, int]:
    world = World(1)
    world.open_account(ACCOUNT, FUNDS)
    await insist(world, credit, (*plans, FaultsAt({})))
    return await verdict(world), world.auditor.images[ACCOUNT].number("avail")


@pytest.mark.parametrize("amount", [AMOUNT, -AMOUNT])
@pytest.mark.parametrize("fault", EVERY_FAULT, ids=lambda fault: f"{fault.kind}-{fault.later_s:g}")
def test_a_workflow_that_insists_moves_the_money_once(fault: Fault, amount: int) -> None:
    for second in (Fault(), *EVERY_FAULT):
        # when the first two attempts meet faults, whatever they were told
        found, available = simulate(
            credited(row("c1", amount, "order" if amount > 0 else "adjustment"), FaultsAt({0: fault, 1: second}))
        )
        # then
        assert found.violations == (), second
        assert available == FUNDS + amount, second


@pytest.mark.parametrize("seed", range(20))
def test_two_admins_at_once_credit_once(seed: int) -> None:
    async def history() -> tuple[Verdict, list[bool], int]:
        world = World(seed)
        world.open_account(ACCOUNT, FUNDS)
        faults = RandomFaults(world.rng, 0.3)
        plans = [faults] * 10 + [FaultsAt({})]
        moved = await asyncio.gather(*(insist(world, row("c1", AMOUNT), plans) for _ in range(4)))
        found = await verdict(world)
        return found, moved, world.auditor.images[ACCOUNT].number("avail")

    found, moved, available = simulate(history())
    assert found.violations == ()
    assert moved == [True] * 4
    assert available == FUNDS + AMOUNT


@pytest.mark.parametrize("seed", range(20))
def test_two_adjustments_for_one_balance_take_it_once(seed: int) -> None:
    async def history() -> tuple[Verdict, list[bool], int]:
        # given funds for one of three
        world = World(seed)
        world.open_account(ACCOUNT, FUNDS)
        faults = RandomFaults(world.rng, 0.2)
        # when
        moved = await asyncio.gather(
            *(insist(world, row(f"c{n}", -AMOUNT, "adjustment"), [faults, faults, FaultsAt({})]) for n in range(3))
        )
        found = await verdict(world)
        return found, moved, world.auditor.images[ACCOUNT].number("avail")

    found, _, available = simulate(history())
    # then
    assert found.violations == ()
    assert available == FUNDS - AMOUNT


def test_the_same_id_with_another_amount_or_kind_is_refused() -> None:
    async def history() -> tuple[Verdict, int]:
        world = World(1)
        world.open_account(ACCOUNT, FUNDS)
        ledger = world.admin()
        await ledger.credit(row("c1", AMOUNT))
        for other in (row("c1", AMOUNT + 1), row("c1", AMOUNT, "refund")):
            with pytest.raises(CreditRefused):
                await ledger.credit(other)
        return await verdict(world), world.auditor.images[ACCOUNT].number("credits_in")

    found, credits_in = simulate(history())
    assert found.violations == ()
    assert credits_in == FUNDS + AMOUNT
