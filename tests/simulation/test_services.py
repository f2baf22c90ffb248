"""One call through Reserver and Charge, with every fault at every I/O, and cancelled at any time."""

import asyncio

import pytest

from multiconnection.usage import Usage

from .calls import Reply
from .faults import EVERY_FAULT, Fault, FaultsAt, Kind
from .scenarios import ACCOUNT, SEED, simulate
from .service_calls import Environment, ServiceCall, serve
from .verdict import Verdict, verdict
from .world import World

FUNDS = 1_000_000
RESERVE = "UpdateItem Balances"
# The first reserve asks for the model's longest answer and is refused, the second for what the balance affords.
IOS = ("GetItem Keys", RESERVE, RESERVE, "upstream", "PutItem Usage", "UpdateItem Balances")
UPSTREAM = IOS.index("upstream")
# 100 input at 0.15 and 50 output at 0.60 USD per million, and 2.5 % on top.
COST = 46_125
CANCELS_S = (0.0, 0.01, 0.04, 0.06, 0.3, 0.53, 0.55, 0.56, 0.58, 0.6)


async def one_call(faults: dict[int, Fault], cancel_at_s: float | None = None) -> tuple[World, Verdict, list[str]]:
    world = World(SEED)
    world.open_account(ACCOUNT, FUNDS)
    _, secret = world.open_key(ACCOUNT)
    environment = Environment(world, world.process(FaultsAt(faults)))
    used = Usage(input=100, output=50)
    call = ServiceCall(ACCOUNT, world.new_hold_id(), secret, input_tokens=200, limit=None, used=used, reply=Reply(0))
    task = world.spawn(serve(world, environment, call))
    if cancel_at_s is not None:
        await asyncio.sleep(cancel_at_s)
        task.cancel()
    found = await verdict(world, honest=True)
    if environment.process.alive:
        assert await environment.in_flight.drained(0) == 0
    return world, found, environment.process.ios


def test_a_call_without_faults_is_charged_by_its_usage() -> None:
    world, found, ios = simulate(one_call({}))
    assert tuple(ios) == IOS
    assert found.violations == ()
    assert world.auditor.images[ACCOUNT].number("charged") == COST


@pytest.mark.parametrize("fault", EVERY_FAULT, ids=lambda fault: f"{fault.kind}-{fault.later_s:g}")
def test_every_fault_at_every_io(fault: Fault) -> None:
    for number in range(len(IOS)):
        world, found, _ = simulate(one_call({number: fault}))
        assert found.violations == (), number
        unserved = fault.kind is Kind.REJECTED and number < UPSTREAM
        if not fault.is_crash and not unserved and number not in (0, UPSTREAM):
            assert world.auditor.images[ACCOUNT].number("charged") == COST, number


@pytest.mark.parametrize("fault", [Fault(), *EVERY_FAULT], ids=lambda fault: f"{fault.kind}-{fault.later_s:g}")
def test_a_call_cancelled_at_any_time_is_settled_or_swept(fault: Fault) -> None:
    for number in range(len(IOS)):
        for cancel_at_s in CANCELS_S:
            _, found, _ = simulate(one_call({number: fault}, cancel_at_s))
            assert found.violations == (), (number, cancel_at_s)
