"""The usage table is down for minutes, at the deployment's own times: what was decided meanwhile is charged."""

import asyncio
from pathlib import Path

import pytest

from local.template import load
from multiconnection.ledger.ledger import Margins

from .calls import Call, Reply, serve
from .faults import NO_FAULT, Fault, Kind
from .mailbox import Deliveries
from .scenarios import ACCOUNT, AMOUNT, COST, simulate
from .verdict import Verdict, verdict
from .world import World

CALLS = 40
FUNCTION_TIMEOUT_S = 900
MARGINS = Margins(hold_s=120, sweep_s=60)
SWEEP_PERIOD_S = 60.0
TEMPLATE = load(Path(__file__).parents[2] / "template.yaml")


class Outage:
    """A table that refuses every write for as long as it is `down`."""

    down = True

    def fault(self, number: int, name: str) -> Fault:
        return Fault(Kind.THROTTLED) if self.down and name == "PutItem Usage" else NO_FAULT


def visibility_s() -> float:
    (queue,) = [spec for spec in TEMPLATE.queues() if spec.logical_id == "FallbackQueue"]
    return float(queue.attributes["VisibilityTimeout"])


async def outage(lasts_s: float) -> tuple[World, Verdict]:
    """Calls spread over the whole outage; the queue delivers at once, and again when its time-out is over."""
    deliveries = Deliveries(copies_max=1, first_s_max=1.0, again_s=visibility_s())
    world = World(1, deadline_s=FUNCTION_TIMEOUT_S, margins=MARGINS, deliveries=deliveries)
    world.open_account(ACCOUNT, CALLS * AMOUNT)
    table = world.consumer_plan = Outage()
    sweeping = world.spawn(sweeper(world, table))
    for _ in range(CALLS):
        process = world.process(table)
        world.spawn(
            serve(world, process, world.ledger(process), Call(ACCOUNT, world.new_hold_id(), AMOUNT, Reply(COST)))
        )
        await asyncio.sleep(lasts_s / CALLS)
    table.down = False
    await asyncio.sleep(2 * FUNCTION_TIMEOUT_S)
    sweeping.cancel()
    return world, await verdict(world)


async def sweeper(world: World, plan: Outage) -> None:
    while True:
        await asyncio.sleep(SWEEP_PERIOD_S)
        await world.sweep(plan=plan)


@pytest.mark.parametrize("lasts_s", [60.0, 300.0, 600.0])
def test_an_outage_of_up_to_ten_minutes_costs_the_operator_nothing(lasts_s: float) -> None:
    world, found = simulate(outage(lasts_s))
    assert found.violations == ()
    assert len(world.mailbox.sent) == CALLS
    assert world.auditor.images[ACCOUNT].number("charged") == CALLS * COST


def test_after_a_longer_outage_the_sweeper_may_be_first_and_the_books_are_right_nevertheless() -> None:
    world, found = simulate(outage(3600.0))
    assert found.violations == ()
    assert 0 < world.auditor.images[ACCOUNT].number("charged") < CALLS * COST
