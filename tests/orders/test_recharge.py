"""The recharge workflow, run from its ASL file: every way an order can end, and steps that are repeated."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from multiconnection.errors import OrderNotPending
from multiconnection.orders.models import Order, OrderStatus
from multiconnection.orders.workflow import OrderMissing, StepUnknown
from tests.orders.test_order_decisions import HUNDRED
from tests.support.orders_world import ADMIN, SECOND_ADMIN, TTL_S, USER, OrdersWorld

pytestmark = pytest.mark.virtual_time


@pytest.fixture
async def world() -> AsyncIterator[OrdersWorld]:
    world = OrdersWorld()
    await world.open_account()
    yield world
    await world.stop()


async def test_an_undecided_order_expires(world: OrdersWorld) -> None:
    order = await world.in_review()
    await asyncio.sleep(TTL_S - 10)
    assert (await world.settled(order)).status is OrderStatus.IN_REVIEW
    await asyncio.sleep(20)
    expired = await world.settled(order)
    assert (expired.status, expired.token) == (OrderStatus.EXPIRED, None)
    assert world.mailbox.kinds == ["order_submitted", "order_expired"]
    with pytest.raises(OrderNotPending):
        await world.approved(order)


async def test_the_orders_own_time_decides_and_not_the_timer_of_the_workflow() -> None:
    # given a workflow whose timer ends long before the order's time
    world = OrdersWorld(ttl_s=TTL_S // 10)
    await world.open_account()
    order = await world.in_review()
    await asyncio.sleep(TTL_S // 2)
    assert (await world.settled(order)).status is OrderStatus.IN_REVIEW
    await world.approved(order)
    assert (await world.settled(order)).status is OrderStatus.CREDITED
    await world.stop()


@pytest.mark.parametrize("decides_first", [True, False])
async def test_expiry_against_approval_has_one_winner(world: OrdersWorld, decides_first: bool) -> None:
    order = await world.in_review()
    await asyncio.sleep(TTL_S - (1 if decides_first else -1))
    approval = await asyncio.gather(world.approved(order), return_exceptions=True)
    final = await world.settled(order)
    assert final.status is (OrderStatus.CREDITED if isinstance(approval[0], Order) else OrderStatus.EXPIRED)
    assert (await world.image()).available == (HUNDRED if isinstance(approval[0], Order) else 0)
    assert isinstance(approval[0], Order) is decides_first


async def test_an_approval_before_the_workflow_waits_is_seen_all_the_same(world: OrdersWorld) -> None:
    # given an order in review without a token: its workflow has died
    order = await world.submitted()
    order = await world.steps.review(order)
    world.engine.die()
    await world.approved(order)
    # when another execution comes
    world.engine.start(f"{order.order_id}-1", order.order_id)
    # then the wait is refused by the order, and the workflow looks
    assert (await world.settled(order)).status is OrderStatus.CREDITED


async def test_the_workflow_started_twice_credits_once(world: OrdersWorld) -> None:
    order = await world.in_review()
    await world.workflow.start(order.order_id, 0)
    await world.workflow.start(order.order_id, 1)
    await world.settled(order)
    await world.approved(order)
    await world.settled(order)
    assert (await world.image()).available == HUNDRED
    await asyncio.sleep(TTL_S + 60)
    assert (await world.settled(order)).status is OrderStatus.CREDITED
    assert set(world.engine.statuses.values()) == {"SUCCEEDED"}
    assert world.mailbox.kinds == ["order_submitted", "order_credited"]
    assert (await world.image()).available == HUNDRED


async def test_a_spurious_wake_changes_nothing(world: OrdersWorld) -> None:
    order = await world.in_review()
    assert order.token is not None
    assert await world.workflow.wake(order.token)
    again = await world.settled(order)
    assert again.status is OrderStatus.IN_REVIEW
    assert again.token not in (None, order.token)
    assert await world.workflow.wake(order.token) is False
    await world.approved(order)
    assert (await world.settled(order)).status is OrderStatus.CREDITED


@pytest.mark.parametrize("step", ["review", "look", "credit", "expire", "notify"])
async def test_every_step_may_be_repeated_at_any_time(world: OrdersWorld, step: str) -> None:
    """Also out of turn: nothing but the step's own effect happens."""
    orders = {
        OrderStatus.IN_REVIEW: await world.in_review("token-1"),
        OrderStatus.REJECTED: await world.in_review("token-2"),
    }
    await world.decisions.reject(ADMIN, orders[OrderStatus.REJECTED].order_id, "no")
    world.workflow.down = True
    orders[OrderStatus.SUBMITTED] = await world.submitted("token-3")
    for status, order in orders.items():
        answers = [await world.steps.run(step, order.order_id) for _ in range(3)]
        expected = OrderStatus.IN_REVIEW if (step, status) == ("review", OrderStatus.SUBMITTED) else status
        assert answers == [{"order_id": order.order_id, "status": expected.value}] * 3
    assert (await world.image()).available == 0


async def test_the_credit_step_again_finds_its_own_work_done(world: OrdersWorld) -> None:
    order = await world.in_review()
    world.workflow.down = True
    await world.approved(order)
    for _ in range(3):
        assert await world.steps.run("credit", order.order_id) == {"order_id": order.order_id, "status": "credited"}
    assert (await world.image()).available == HUNDRED
    # also with an image that was read while it was approved
    stale = await world.read(order)
    for _ in range(3):
        assert (await world.steps.credit(stale)).status is OrderStatus.CREDITED
    assert (await world.image()).credits_in == HUNDRED


@pytest.mark.parametrize("decided", ["in_review", "rejected", "cancelled", "expired"])
async def test_the_credit_step_credits_what_is_approved_and_nothing_else(world: OrdersWorld, decided: str) -> None:
    order = await world.in_review()
    if decided == "rejected":
        await world.decisions.reject(ADMIN, order.order_id, "no")
    if decided == "cancelled":
        await world.orders.cancel(USER.account_id, order.order_id)
    if decided == "expired":
        await asyncio.sleep(TTL_S + 1)
    assert (await world.settled(order)).status.value == decided
    assert (await world.steps.run("credit", order.order_id))["status"] == decided
    assert (await world.image()).credits_in == 0


async def test_a_stale_look_cannot_credit_what_was_not_approved(world: OrdersWorld) -> None:
    """The transaction's own condition holds, whatever the step believes."""
    order = await world.in_review()
    believed = replace(order, status=OrderStatus.APPROVED, approved_credit=HUNDRED)
    assert (await world.steps.credit(believed)).status is OrderStatus.IN_REVIEW
    assert "order_not_credited" in world.alarms.names
    assert (await world.image()).credits_in == 0


async def test_no_notice_stops_an_order(world: OrdersWorld) -> None:
    world.mailbox.down = True
    order = await world.in_review()
    await world.approved(order, SECOND_ADMIN)
    await asyncio.gather(*world.engine.tasks)
    assert world.engine.statuses == {order.order_id: "FAILED"}
    assert (await world.read(order)).status is OrderStatus.CREDITED
    assert world.alarms.names == ["order_notice_failed"]
    # and the execution that failed is made good by the repair
    world.mailbox.down = False
    await world.repair.repair_orders()
    assert (await world.settled(order)).notified_s is not None
    assert world.mailbox.kinds == ["order_credited"]


async def test_an_order_or_a_step_that_is_none_is_an_error(world: OrdersWorld) -> None:
    with pytest.raises(OrderMissing):
        await world.steps.run("look", "ord_" + "0" * 16)
    with pytest.raises(StepUnknown):
        await world.steps.run("pay", "ord_" + "0" * 16)
