"""Administrators decide once, about exactly what they saw, never about their own; everything they do is logged."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from multiconnection.errors import (
    LedgerUnavailable,
    OrderAmountMismatch,
    OrderNotFound,
    OrderNotPending,
    RequestInvalid,
    SelfApprovalForbidden,
)
from multiconnection.money import NANO_PER_USD
from multiconnection.orders.models import Order, OrderStatus
from multiconnection.retry import StoreError
from tests.support.orders_world import ADMIN, SECOND_ADMIN, USER, OrdersWorld

pytestmark = pytest.mark.virtual_time


HUNDRED = 100 * NANO_PER_USD


@pytest.fixture
async def world() -> AsyncIterator[OrdersWorld]:
    world = OrdersWorld()
    await world.open_account()
    yield world
    await world.stop()


async def write(world: OrdersWorld, order: Order, **numbers: int) -> None:
    """Past all conditions."""
    item = next(item for item in world.tables.items("Orders") if item["order_id"]["S"] == order.order_id)
    item |= {name: {"N": str(value)} for name, value in numbers.items()}
    await world.tables.call("PutItem", {"TableName": "Orders", "Item": item})


async def test_an_approved_order_is_credited_once_and_its_user_is_notified(world: OrdersWorld) -> None:
    order = await world.in_review()
    approved = await world.approved(order)
    assert (approved.status, approved.decided_by) == (OrderStatus.APPROVED, ADMIN.email)
    assert (await world.image()).available == 0
    credited = await world.settled(order)
    assert (credited.status, credited.token, credited.approved_credit) == (OrderStatus.CREDITED, None, HUNDRED)
    assert (await world.image()).available == HUNDRED
    row = await world.ledger.store.credit_row(USER.account_id, order.order_id)
    assert row is not None
    assert (row.amount, row.kind, row.actor) == (HUNDRED, "order", ADMIN.email)
    assert world.mailbox.kinds == ["order_submitted", "order_credited"]
    assert [notice.to for notice in world.mailbox.sent] == [None, USER.email]
    assert [status.value for status, _ in credited.timeline] == ["submitted", "in_review", "approved", "credited"]


async def test_a_rejected_order_says_why(world: OrdersWorld) -> None:
    order = await world.in_review()
    await world.decisions.reject(ADMIN, order.order_id, "no payment has arrived")
    rejected = await world.settled(order)
    assert (rejected.status, rejected.reason) == (OrderStatus.REJECTED, "no payment has arrived")
    assert "no payment has arrived" in world.mailbox.sent[-1].text
    assert (await world.image()).available == 0
    assert world.engine.statuses == {order.order_id: "SUCCEEDED"}


async def test_every_decision_is_in_the_audit_log(world: OrdersWorld) -> None:
    order = await world.in_review()
    await world.decisions.approve(ADMIN, order.order_id, "100", USER.account_id, "seen on the bank's page")
    asked, done = await world.logged()
    assert (asked.action, asked.after["status"]) == ("order.approved.asked", "in_review")
    assert (done.actor, done.action, done.subject) == (ADMIN.email, "order.approved", order.order_id)
    assert (done.before["status"], done.after["status"], done.after["amount"]) == ("in_review", "approved", "100.00")
    assert done.reason == "seen on the bank's page"
    assert str(order.token) not in str((asked, done))


async def test_a_decision_that_cannot_be_logged_is_not_taken(world: OrdersWorld) -> None:
    order = await world.in_review()
    world.log_driver.failure = StoreError("down")
    with pytest.raises(LedgerUnavailable):
        await world.decisions.approve(ADMIN, order.order_id, "100", USER.account_id)
    assert (await world.read(order)).status is OrderStatus.IN_REVIEW


async def test_a_double_click_is_one_decision(world: OrdersWorld) -> None:
    order = await world.in_review()
    clicks = await asyncio.gather(*(world.approved(order) for _ in range(4)))
    assert {click.status for click in clicks} == {OrderStatus.APPROVED}
    assert (await world.settled(order)).status is OrderStatus.CREDITED
    assert (await world.approved(order)).status is OrderStatus.CREDITED
    assert (await world.image()).available == HUNDRED


async def test_a_late_decision_is_refused_with_the_first_one_and_its_author(world: OrdersWorld) -> None:
    order = await world.in_review()
    await world.decisions.reject(ADMIN, order.order_id, "no")
    for late in (
        world.approved(order, SECOND_ADMIN),
        world.approved(order, ADMIN),
        world.decisions.reject(SECOND_ADMIN, order.order_id, "no"),
    ):
        with pytest.raises(OrderNotPending) as refused:
            await late
        assert refused.value.details == {
            "status": "rejected",
            "decided_by": ADMIN.email,
            "decided_at": (await world.read(order)).changed_s,
        }
        assert refused.value.headers() == {"x-should-retry": "false"}
    assert (await world.decisions.reject(ADMIN, order.order_id, "no")).status is OrderStatus.REJECTED


async def test_approve_against_reject_has_one_winner(world: OrdersWorld) -> None:
    order = await world.in_review()
    results = await asyncio.gather(
        world.approved(order, ADMIN),
        world.decisions.reject(SECOND_ADMIN, order.order_id, "no"),
        world.orders.cancel(USER.account_id, order.order_id),
        return_exceptions=True,
    )
    assert sum(isinstance(answer, Order) for answer in results) == 1
    final = await world.settled(order)
    assert final.is_final
    assert (await world.image()).available == (HUNDRED if final.status is OrderStatus.CREDITED else 0)


async def test_an_administrator_does_not_decide_about_their_own_order(world: OrdersWorld) -> None:
    order = await world.in_review()
    owner = replace(USER, is_admin=True)
    with pytest.raises(SelfApprovalForbidden):
        await world.approved(order, owner)
    with pytest.raises(SelfApprovalForbidden):
        await world.decisions.reject(owner, order.order_id, "no")
    assert (await world.read(order)).status is OrderStatus.IN_REVIEW


@pytest.mark.parametrize(
    ("amount", "account_id", "param"),
    [
        ("100.01", USER.account_id, "amount"),
        ("10000", USER.account_id, "amount"),
        ("100", ADMIN.account_id, "account_id"),
        ("100", "", "account_id"),
    ],
)
async def test_what_is_repeated_must_be_the_orders(
    world: OrdersWorld, amount: str, account_id: str, param: str
) -> None:
    order = await world.in_review()
    with pytest.raises(OrderAmountMismatch) as refused:
        await world.decisions.approve(ADMIN, order.order_id, amount, account_id)
    assert refused.value.param == param
    assert (await world.read(order)).status is OrderStatus.IN_REVIEW
    assert await world.logged() == []


@pytest.mark.parametrize("amount", ["", "abc", "-100", "1e2"])
async def test_a_repeated_amount_that_is_none_is_refused(world: OrdersWorld, amount: str) -> None:
    order = await world.in_review()
    with pytest.raises(RequestInvalid):
        await world.decisions.approve(ADMIN, order.order_id, amount, USER.account_id)


async def test_an_order_that_is_not_in_review_yet_is_not_decided(world: OrdersWorld) -> None:
    world.workflow.down = True
    order = await world.submitted()
    with pytest.raises(OrderNotPending) as refused:
        await world.approved(order)
    assert refused.value.details["status"] == "submitted"


@pytest.mark.parametrize("tampered", [{"credit": HUNDRED * 10}, {"rate": NANO_PER_USD * 10}])
async def test_a_credit_that_does_not_follow_from_the_amount_is_not_approved(
    world: OrdersWorld, tampered: dict[str, int]
) -> None:
    order = await world.in_review()
    await write(world, order, **tampered)
    with pytest.raises(OrderAmountMismatch):
        await world.approved(order)


async def test_an_order_that_changes_between_look_and_click_is_not_approved(world: OrdersWorld) -> None:
    order = await world.in_review()
    stale = order
    await write(world, order, cents=1, credit=NANO_PER_USD // 100)
    with pytest.raises(OrderAmountMismatch):
        await world.decisions._decide(ADMIN, stale, OrderStatus.APPROVED, "", {"approved_credit": HUNDRED})
    assert (await world.read(order)).status is OrderStatus.IN_REVIEW


@pytest.mark.parametrize(
    "tampered",
    [
        {"credit": HUNDRED * 10},
        {"credit": HUNDRED * 10, "approved_credit": HUNDRED * 10},
        {"approved_credit": HUNDRED * 10},
        {"rate": NANO_PER_USD * 10, "credit": HUNDRED * 10},
        {"cents": 100_000},
    ],
)
async def test_an_order_tampered_with_after_its_approval_is_not_credited(
    world: OrdersWorld, tampered: dict[str, int]
) -> None:
    order = await world.in_review()
    world.workflow.down = True
    await world.approved(order)
    await write(world, order, **tampered)
    world.workflow.down = False
    assert await world.workflow.wake(str(order.token))
    assert (await world.settled(order)).status is OrderStatus.APPROVED
    assert (await world.image()).available == 0
    assert "order_tampered" in world.alarms.names
    assert world.engine.statuses == {order.order_id: "FAILED"}


async def test_an_order_of_no_account_is_not_credited() -> None:
    world = OrdersWorld()
    order = await world.in_review()
    await world.approved(order)
    assert (await world.settled(order)).status is OrderStatus.APPROVED
    assert "order_not_credited" in world.alarms.names
    await world.stop()


async def test_the_queue_is_oldest_first_with_what_is_needed_to_decide(world: OrdersWorld) -> None:
    orders = []
    for number in range(3):
        await asyncio.sleep(2)
        orders.append(await world.in_review(f"token-{number}"))
    world.objects.objects[f"receipts/{USER.account_id}/{orders[0].order_id}"] = (b"paid", "image/png")
    await world.receipts.done(USER.account_id, orders[0].order_id)
    first, cursor = await world.decisions.queue(OrderStatus.IN_REVIEW, 2, None)
    second, end = await world.decisions.queue(OrderStatus.IN_REVIEW, 2, cursor)
    assert [reviewed.order.order_id for reviewed in (*first, *second)] == [order.order_id for order in orders]
    assert end is None
    assert [reviewed.orders_count for reviewed in first] == [3, 3]
    assert first[0].account == await world.image()
    async with world.objects.http() as http:
        assert (await http.get(first[0].receipt_url or "")).content == b"paid"
    assert first[1].receipt_url is None


async def test_an_order_that_is_none_is_not_found(world: OrdersWorld) -> None:
    for order_id in ("ord_" + "0" * 16, "token#x", ""):
        with pytest.raises(OrderNotFound):
            await world.decisions.get(order_id)
