"""The search that every seeded mistake must not survive: cheap histories first, then dearer ones."""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial

from .__main__ import replay
from .calls import Call, Reply, serve
from .faults import Fault, FaultsAt, FaultsNamed, Kind
from .scenarios import (
    ACCOUNT,
    AMOUNT,
    COST,
    EARLY_S,
    FUNDS,
    SWEEPS_S,
    every_fault_at_every_io,
    one_call,
    second_faults,
    simulate,
    single_fault_violations,
)
from .verdict import verdict
from .world import World

Violations = tuple[str, ...]
IDLE_SEEDS = 40
RANDOM_SEEDS, RANDOM_REQUESTS = 10, 300


def hunt() -> tuple[str, Violations] | None:
    """The first history that breaks an invariant, and what it broke."""
    for name, violations in _histories():
        if found := violations():
            return name, found
    return None


def _histories() -> Iterator[tuple[str, Callable[[], Violations]]]:
    for number, fault in every_fault_at_every_io():
        yield f"{fault} at {number}", partial(single_fault_violations, number, fault)
    for sweep_at_s in SWEEPS_S:
        for skew_s in (0.0, EARLY_S):
            yield f"sweep at {sweep_at_s}, {skew_s} ahead", partial(_swept, sweep_at_s, skew_s)
    # The first reserve comes back after the end of the call, and then the apply.
    yield "resurrection", partial(_pair, {0: Fault(Kind.DELAYED, 30.0), 4: Fault(Kind.AGAIN_LATER, 60.0)})
    for kind in (Kind.THROTTLED, Kind.LOST):
        for seed in range(3):
            yield f"usage table {kind}, seed {seed}", partial(_usage_down, kind, seed)
    for seed in range(IDLE_SEEDS):
        yield f"call while the sweeper finds it idle, seed {seed}", partial(_idle, seed)
    for seed in range(RANDOM_SEEDS):
        yield f"random history {seed}", partial(_random, seed)
    for number, fault in every_fault_at_every_io():
        for pair in second_faults({number: fault}):
            yield f"{pair}", partial(_pair, pair)


def _swept(at_s: float, skew_s: float) -> Violations:
    return simulate(one_call(FaultsAt({}), sweep_at_s=at_s, skew_s=skew_s)).verdict.violations


def _usage_down(kind: Kind, seed: int) -> Violations:
    """The decision is left to a queue that takes it."""
    found = simulate(one_call(FaultsNamed({"PutItem Usage": Fault(kind)}), seed=seed))
    unsent = "SendMessage" not in found.ios or "decision_lost" in found.alarms
    return (*found.verdict.violations, *(("liveness: the decision did not reach the queue",) if unsent else ()))


def _random(seed: int) -> Violations:
    return replay(seed, RANDOM_REQUESTS)[0].violations


def _pair(pair: dict[int, Fault]) -> Violations:
    return simulate(one_call(FaultsAt(pair))).verdict.violations


def _idle(seed: int) -> Violations:
    """A call that dies, on a machine whose clock is behind, just when the sweeper takes its account for idle."""

    async def history() -> Violations:
        world = World(seed)
        world.open_account(ACCOUNT, FUNDS)
        _start(world, {}, 0.0)
        await asyncio.sleep(EARLY_S)
        world.spawn(world.sweep())
        await asyncio.sleep(seed / 300)
        _start(world, {1: Fault(Kind.CRASH_BEFORE)}, -EARLY_S)
        return (await verdict(world)).violations

    return simulate(history())


def _start(world: World, faults: dict[int, Fault], skew_s: float) -> None:
    process = world.process(FaultsAt(faults))
    call = Call(ACCOUNT, world.new_hold_id(), AMOUNT, Reply(COST))
    world.spawn(serve(world, process, world.ledger(process, skew_s), call))
