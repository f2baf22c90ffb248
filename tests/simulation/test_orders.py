"""Recharge orders under every fault: one final state, at most one credit, nobody told what is not so, nothing stuck."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from multiconnection.ledger import items as ledger_items
from multiconnection.ledger.models import CreditRow
from multiconnection.money import NANO_PER_USD
from multiconnection.orders import store as orders_store
from multiconnection.orders.models import Order
from multiconnection.orders.store import OrderCredits
from multiconnection.orders.workflow import OrderRepair, RepairReport
from tests.support.orders_world import SECOND_ADMIN, USER

from .faults import EVERY_FAULT, Fault, FaultsAt, NoFaults, Plan, RandomFaults
from .mutants import Mutant, edit
from .recharge import DECIDES_AFTER_S, TTL_S, Recharge, told
from .scenarios import simulate
from .verdict import Verdict
from .world import World

CREDIT = 100 * NANO_PER_USD
# The functions of an approved order, in turn; what each of them asks for is found by running it.
STEPS = ("review", "look", "credit", "notify")
# How often each actor asks something of the outside.
IOS = {"creates": 4, "approves": 3, "state_machine": 1, "review": 4, "look": 1, "credit": 3, "notify": 3}
OUTCOMES = {"approved": "credited", "rejected": "rejected", "cancelled": "cancelled"}


def available(world: World) -> int:
    return world.auditor.images[USER.account_id].number("avail")


async def approved_order(
    seed: int = 1,
    *,
    creates: Plan | None = None,
    approves: Plan | None = None,
    step: tuple[str, Plan] | None = None,
    state_machine: Plan | None = None,
) -> tuple[Recharge, Verdict]:
    """One order that an administrator approves after five minutes; one actor meets faults, once."""
    pending = [step] if step else []

    def step_plan(number: int, name: str) -> Plan:
        return pending.pop()[1] if pending and pending[0][0] == name else NoFaults()

    recharge = Recharge(World(seed), step_plan, state_machine or NoFaults())
    recharge.world.spawn(recharge.keep_repairing(2 * DECIDES_AFTER_S))
    order = await recharge.create(*([creates] if creates else []))
    await asyncio.sleep(DECIDES_AFTER_S)
    await recharge.approve(order, *([approves] if approves else []))
    return recharge, await recharge.verdict()


def assert_credited_once(recharge: Recharge, found: Verdict) -> None:
    assert found.violations == ()
    assert list(recharge.world.auditor.orders.statuses().values()) == ["credited"]
    assert available(recharge.world) == CREDIT
    assert "order_credited" in [notice.kind for notice in recharge.sent]


def test_without_faults_each_actor_asks_for_little() -> None:
    recharge, found = simulate(approved_order())
    assert_credited_once(recharge, found)
    assert recharge.steps == list(STEPS)
    actors = ["creates", "review", "approves", "look", "credit", "notify"]
    assert {actor: len(ios) for actor, ios in zip(actors, recharge.ios, strict=True)} | {"state_machine": 1} == IOS
    assert [notice.kind for notice in recharge.sent] == ["order_submitted", "order_credited"]


def fault_cases() -> Iterator[tuple[str, int]]:
    """Each actor at each of its I/Os, and at the one that a repetition adds."""
    yield from ((actor, number) for actor, count in IOS.items() for number in range(count + 1))


@pytest.mark.parametrize(("actor", "number"), list(fault_cases()), ids=lambda value: str(value))
def test_an_approved_order_is_credited_once_whatever_fails(actor: str, number: int) -> None:
    for fault in EVERY_FAULT:
        if actor == "state_machine" and fault.is_crash:
            # A service of AWS goes on after any of its machines.
            continue
        plan = FaultsAt({number: fault})
        arguments: dict[str, Any] = {"step": (actor, plan)} if actor in STEPS else {actor: plan}
        recharge, found = simulate(approved_order(**arguments))
        assert_credited_once(recharge, found)


@pytest.mark.parametrize("first", [fault for fault in EVERY_FAULT if fault.later_s in (0.0, 20.0)], ids=str)
def test_a_credit_step_that_is_repeated_after_any_two_faults_credits_once(first: Fault) -> None:
    for second in EVERY_FAULT:
        plan = FaultsAt({1: first, 2: second})
        recharge, found = simulate(approved_order(step=("credit", plan)))
        assert_credited_once(recharge, found)


Act = Callable[[Recharge, Order, Plan], Any]
ACTS: dict[str, tuple[str, Act]] = {
    "first approves": ("approved", lambda recharge, order, plan: recharge.approve(order, plan)),
    "first approves again": ("approved", lambda recharge, order, plan: recharge.approve(order, plan)),
    "second approves": ("approved", lambda recharge, order, plan: recharge.approve(order, plan, admin=SECOND_ADMIN)),
    "second rejects": ("rejected", lambda recharge, order, plan: recharge.reject(order, plan, admin=SECOND_ADMIN)),
    "user cancels": ("cancelled", lambda recharge, order, plan: recharge.cancel(order, plan)),
}


async def crowd(seed: int, chance: float) -> tuple[Recharge, Verdict, dict[str, Any]]:
    """Everybody at about the same moment, now and then when the order expires; everything may fail for a while."""
    world = World(seed)
    faults = RandomFaults(world.rng, chance)
    services = RandomFaults(world.rng, 0.0)
    recharge = Recharge(world, lambda number, step: faults, services, faults)
    world.spawn(recharge.keep_repairing(TTL_S))
    order = await recharge.create(faults, faults)
    at_s = world.rng.choice((1.0, DECIDES_AFTER_S, TTL_S - 1.0, TTL_S - 0.1))
    chosen = world.rng.sample(sorted(ACTS), world.rng.randrange(1, len(ACTS) + 1))

    async def act(name: str) -> Any:
        await asyncio.sleep(at_s + world.rng.uniform(0.0, 1.0))
        return await told(ACTS[name][1](recharge, order, faults))

    if world.rng.random() < 0.3:
        recharge.engine.start(f"{order.order_id}-1", order.order_id)
    if world.rng.random() < 0.2:
        recharge.engine.die()
    answers = await asyncio.gather(*(world.spawn(act(name)) for name in chosen))
    faults.off = True
    return recharge, await recharge.verdict(), dict(zip(chosen, answers, strict=True))


def crowd_violations(seed: int, chance: float = 0.25) -> tuple[str, ...]:
    recharge, found, answers = simulate(crowd(seed, chance))
    [status] = set(recharge.world.auditor.orders.statuses().values())
    wrong = (
        [f"money: {available(recharge.world)}"] if available(recharge.world) != CREDIT * (status == "credited") else []
    )
    for name, answer in answers.items():
        if isinstance(answer, Order) and OUTCOMES[ACTS[name][0]] != status:
            wrong.append(f"told: {name} succeeded, and the order is {status}")
    if status not in ("credited", "rejected", "cancelled", "expired"):
        wrong.append(f"open: {status}")
    return (*found.violations, *wrong)


@pytest.mark.parametrize("seed", range(120))
def test_a_crowd_of_deciders_leaves_one_final_state(seed: int) -> None:
    assert crowd_violations(seed) == ()


def test_a_crowd_ends_in_every_way() -> None:
    ends = {next(iter(simulate(crowd(seed, 0.2))[0].world.auditor.orders.statuses().values())) for seed in range(60)}
    assert ends == {"credited", "rejected", "cancelled", "expired"}


def _no_repair(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(self: OrderRepair, until_s: float | None = None) -> RepairReport:
        return RepairReport()

    monkeypatch.setattr(OrderRepair, "repair_orders", nothing)


def _credit_without_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    async def put(self: OrderCredits, row: CreditRow) -> None:
        await self._ledger.credit(row)

    monkeypatch.setattr(OrderCredits, "put", put)


def _both_fences_of_a_credit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Either of the two alone keeps an order from being credited again."""
    edit(ledger_items, "put_once", "attribute_not_exists(account_id)")(monkeypatch)
    edit(orders_store, "credited", "#status = :approved AND ")(monkeypatch)


MUTANTS = (
    Mutant("a decision over any other", edit(orders_store, "transition", "#status IN", "NOT #status IN")),
    Mutant("a decision whatever the state", edit(orders_store, "transition", "AND account_id = ", "OR account_id = ")),
    Mutant("an order that stays approved", edit(orders_store, "credited", "#status = :credited, ")),
    Mutant("a credit as often as asked", _both_fences_of_a_credit),
    Mutant("a credit without its order", _credit_without_the_order),
    Mutant("an execution under an old name", edit(orders_store, "next_run", "SET #run = :next", "SET #run = :run")),
    Mutant("no repair", _no_repair),
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.mistake)
def test_the_crowd_notices(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant.patch(monkeypatch)
    for seed in range(60):
        try:
            violations = crowd_violations(seed)
        except (AssertionError, ValueError) as exc:
            violations = (repr(exc),)
        if violations:
            print(f"{mutant.mistake}: seed {seed}: {violations[0]}")
            return
    raise AssertionError(f"nobody noticed: {mutant.mistake}")
