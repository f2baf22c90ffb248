"""No order is ever stuck: whatever was lost, the repair finds it and the order ends."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from multiconnection.orders.models import OrderStatus
from multiconnection.orders.workflow import RUNS_MAX, SETTLED_S, RepairReport
from tests.orders.test_order_decisions import HUNDRED, write
from tests.support.orders_world import ADMIN, TTL_S, USER, OrdersWorld

pytestmark = pytest.mark.virtual_time


A_MINUTE = SETTLED_S + 1


@pytest.fixture
async def world() -> AsyncIterator[OrdersWorld]:
    world = OrdersWorld()
    await world.open_account()
    yield world
    await world.stop()


async def test_an_order_that_was_never_started_is_started(world: OrdersWorld) -> None:
    world.workflow.down = True
    order = await world.submitted()
    world.workflow.down = False
    # too young to be taken for lost
    assert await world.repair.repair_orders() == RepairReport()
    await asyncio.sleep(A_MINUTE)
    assert await world.repair.repair_orders() == RepairReport(looked_at=1, moved=1)
    assert (await world.settled(order)).status is OrderStatus.IN_REVIEW
    assert list(world.engine.statuses) == [order.order_id]


async def test_an_order_that_waits_is_left_alone(world: OrdersWorld) -> None:
    order = await world.in_review()
    await asyncio.sleep(A_MINUTE)
    assert await world.repair.repair_orders() == RepairReport(looked_at=1)
    assert (await world.settled(order)).token == order.token


@pytest.mark.parametrize("dies", ["before the decision", "after it", "never"])
async def test_a_decision_that_the_workflow_missed_is_carried_out(world: OrdersWorld, dies: str) -> None:
    order = await world.in_review()
    if dies == "before the decision":
        world.engine.die()
    world.workflow.down = True
    await world.approved(order)
    assert world.alarms.names == ["order_not_woken"]
    if dies == "after it":
        world.engine.die()
    world.workflow.down = False
    await asyncio.sleep(A_MINUTE)
    assert (await world.repair.repair_orders()).moved == 1
    assert (await world.settled(order)).status is OrderStatus.CREDITED
    assert (await world.image()).available == HUNDRED
    await asyncio.sleep(A_MINUTE)
    assert await world.repair.repair_orders() == RepairReport()


@pytest.mark.parametrize("status", [OrderStatus.REJECTED, OrderStatus.CANCELLED])
@pytest.mark.parametrize("dies", [False, True])
async def test_a_final_order_whose_workflow_still_waits_is_closed(
    world: OrdersWorld, status: OrderStatus, dies: bool
) -> None:
    order = await world.in_review()
    world.workflow.down = True
    if status is OrderStatus.REJECTED:
        await world.decisions.reject(ADMIN, order.order_id, "no")
    else:
        await world.orders.cancel(USER.account_id, order.order_id)
    if dies:
        world.engine.die()
    world.workflow.down = False
    await asyncio.sleep(A_MINUTE)
    await world.repair.repair_orders()
    closed = await world.settled(order)
    assert (closed.status, closed.token) == (status, None)
    assert world.mailbox.kinds[-1] == f"order_{status.value}"
    assert list(world.engine.statuses.values())[-1] == "SUCCEEDED"


async def test_an_order_past_its_time_expires_without_its_workflow(world: OrdersWorld) -> None:
    order = await world.in_review()
    world.engine.die()
    await asyncio.sleep(TTL_S + A_MINUTE)
    await world.repair.repair_orders()
    assert (await world.settled(order)).status is OrderStatus.EXPIRED
    assert world.mailbox.kinds == ["order_submitted", "order_expired"]


async def test_the_repeated_click_is_a_repair_as_well(world: OrdersWorld) -> None:
    order = await world.in_review()
    world.workflow.down = True
    await world.approved(order)
    world.workflow.down = False
    await world.approved(order)
    assert (await world.settled(order)).status is OrderStatus.CREDITED


async def test_an_order_that_cannot_be_carried_out_is_given_up_with_an_alarm(world: OrdersWorld) -> None:
    order = await world.in_review()
    world.workflow.down = True
    await world.approved(order)
    await write(world, order, credit=1)
    world.workflow.down = False
    for _ in range(RUNS_MAX + 3):
        await asyncio.sleep(A_MINUTE)
        await world.repair.repair_orders()
        await world.engine.settled()
    assert (await world.read(order)).run == RUNS_MAX
    assert world.alarms.names.count("order_stuck") == 2
    assert (await world.image()).available == 0


async def test_one_sick_order_does_not_keep_the_others_waiting(world: OrdersWorld) -> None:
    world.workflow.down = True
    await world.submitted("token-1")
    await world.submitted("token-2")
    await asyncio.sleep(A_MINUTE)
    assert await world.repair.repair_orders() == RepairReport(looked_at=2, failed=2)
    assert world.alarms.names.count("order_repair_failed") == 2


async def test_the_repair_stops_in_time_and_goes_on_later(world: OrdersWorld) -> None:
    world.workflow.down = True
    await world.submitted()
    world.workflow.down = False
    await asyncio.sleep(A_MINUTE)
    assert await world.repair.repair_orders(world.clock.now()) == RepairReport()


async def test_two_repairs_at_once_start_one_execution(world: OrdersWorld) -> None:
    order = await world.in_review()
    world.engine.die()
    await asyncio.sleep(A_MINUTE)
    await asyncio.gather(world.repair.repair_orders(), world.repair.repair_orders())
    await world.engine.settled()
    assert list(world.engine.statuses) == [order.order_id, f"{order.order_id}-1"]
