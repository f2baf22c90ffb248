"""Small histories that the tests share: one call and whatever is to happen to it."""

import asyncio
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from tests.support.virtual_time import VirtualLoop

from .calls import Call, Reply, serve
from .faults import EVERY_FAULT, Fault, FaultsAt, Kind, Plan
from .verdict import Verdict, verdict
from .world import CallRecord, World

T = TypeVar("T")
ACCOUNT = "account"
FUNDS, BUDGET, AMOUNT, COST = 100, 90, 40, 30
SEED = 1
RESERVE, UPSTREAM = 0, 1
# Around each I/O of a call without faults, and long after it.
SWEEPS_S = (0.0, 0.01, 0.1, 1.0, *(1.7 + n / 20 for n in range(10)), 5.0, 30.0)
TAKES_S = 2.0
EARLY_S = 600.0


def simulate(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end in virtual time; World must be made inside."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


@dataclass(frozen=True, slots=True)
class OneCall:
    """What came of one call: verdict, record, the names of its I/Os, alarms, and the balance at rest."""

    verdict: Verdict
    record: CallRecord
    ios: tuple[str, ...]
    alarms: tuple[str, ...]
    available: int
    charged: int


async def one_call(
    plan: Plan,
    *,
    seed: int = SEED,
    cost: int = COST,
    sweep_at_s: float | None = None,
    skew_s: float = 0.0,
    capped: bool = True,
) -> OneCall:
    """One call of a key with a budget; a sweeper may come at any time, with any clock."""
    world = World(seed)
    world.open_account(ACCOUNT, FUNDS)
    key, _ = world.open_key(ACCOUNT, BUDGET if capped else None)
    process = world.process(plan)
    call = Call(ACCOUNT, world.new_hold_id(), AMOUNT, Reply(cost, takes_s=TAKES_S), key.key_id, capped)
    world.spawn(serve(world, process, world.ledger(process), call))
    if sweep_at_s is not None:
        await asyncio.sleep(sweep_at_s)
        await world.sweep(skew_s)
    found = await verdict(world, honest=skew_s <= 0)
    image = world.auditor.images[ACCOUNT]
    return OneCall(
        found,
        world.call(ACCOUNT, call.hold_id),
        tuple(process.ios),
        tuple(world.alarms.names()),
        image.number("avail"),
        image.number("charged"),
    )


def every_fault_at_every_io() -> Iterator[tuple[int, Fault]]:
    """Of a call without other faults; a dry run tells how many I/Os it has."""
    for number in range(len(simulate(one_call(FaultsAt({}))).ios)):
        for fault in EVERY_FAULT:
            yield number, fault


def second_faults(first: dict[int, Fault]) -> Iterator[dict[int, Fault]]:
    """Every fault at every I/O that follows upon a first one."""
    ios = simulate(one_call(FaultsAt(first))).ios
    for number in range(max(first) + 1, len(ios)):
        for fault in EVERY_FAULT:
            yield first | {number: fault}


def single_fault_violations(number: int, fault: Fault) -> tuple[str, ...]:
    """One fault that is no crash costs neither the customer nor the operator anything.

    A reserve that is refused for good is the only one that keeps a call from being served.
    """
    found = simulate(one_call(FaultsAt({number: fault})))
    owed = 0 if number == RESERVE and fault.kind is Kind.REJECTED else COST
    lost = not fault.is_crash and number != UPSTREAM and found.charged != owed
    wrong = (f"liveness: charged {found.charged} of {owed}",) if lost else ()
    return (*found.verdict.violations, *wrong)
