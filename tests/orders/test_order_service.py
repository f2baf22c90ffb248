"""A user's own orders: what is frozen at creation, what a client token means, cancelling, and whose they are."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from multiconnection.errors import (
    LedgerUnavailable,
    OrderConflict,
    OrderNotFound,
    OrderNotPending,
    RequestInvalid,
    TooManyOrders,
)
from multiconnection.money import NANO_PER_USD
from multiconnection.orders.models import OrderStatus
from multiconnection.orders.store import OrdersTable
from tests.support.ledger_world import Failing
from tests.support.orders_world import OTHER, TTL_S, USER, OrdersWorld, request
from tests.support.virtual_time import START_S

pytestmark = pytest.mark.virtual_time


@pytest.fixture
async def world() -> AsyncIterator[OrdersWorld]:
    world = OrdersWorld()
    await world.open_account()
    yield world
    await world.stop()


async def test_amount_rate_and_credit_are_frozen_by_the_server(world: OrdersWorld) -> None:
    order, made = await world.orders.create(USER, request(amount="100.50", currency="SGD", note="for July"))
    assert made
    assert (order.cents, order.rate, order.credit) == (10050, 740_000_000, 74_370_000_000)
    assert (order.account_id, order.email, order.note) == (USER.account_id, USER.email, "for July")
    assert (order.created_s, order.expires_s) == (int(START_S), int(START_S) + TTL_S)
    assert order.status is OrderStatus.SUBMITTED
    assert await world.store.get(order.order_id) == order


async def test_the_same_client_token_gives_the_same_order(world: OrdersWorld) -> None:
    order = await world.submitted()
    assert await world.orders.create(USER, request()) == (order, False)
    await world.settled(order)
    again, made = await world.orders.create(USER, request())
    assert (again.order_id, again.status, made) == (order.order_id, OrderStatus.IN_REVIEW, False)
    assert list(world.engine.statuses) == [order.order_id]


async def test_a_client_token_is_an_accounts_own(world: OrdersWorld) -> None:
    order = await world.submitted()
    other, made = await world.orders.create(OTHER, request())
    assert made
    assert other.order_id != order.order_id


@pytest.mark.parametrize("changed", [{"amount": "99"}, {"currency": "EUR"}, {"method": "enterprise_contract"}])
async def test_a_client_token_is_no_key_to_another_order(world: OrdersWorld, changed: dict[str, str]) -> None:
    await world.submitted()
    with pytest.raises(OrderConflict) as refused:
        await world.orders.create(USER, request(**changed))
    assert refused.value.param == "client_token"


async def test_two_clicks_at_once_make_one_order(world: OrdersWorld) -> None:
    made = await asyncio.gather(*(world.orders.create(USER, request()) for _ in range(5)))
    assert len({order.order_id for order, _ in made}) == 1
    assert [new for _, new in made].count(True) == 1


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"amount": "0"}, "amount"),
        ({"amount": "4.99"}, "amount"),
        ({"amount": "1000.01"}, "amount"),
        ({"amount": "6.75", "currency": "SGD"}, "amount"),
        ({"amount": "1.005"}, "amount"),
        ({"currency": "XXX"}, "currency"),
        ({"method": "cash"}, "method"),
    ],
)
async def test_what_is_no_order_is_refused_before_any_write(
    world: OrdersWorld, asked: dict[str, str], param: str
) -> None:
    with pytest.raises(RequestInvalid) as refused:
        await world.submitted(**asked)
    assert refused.value.param == param
    assert world.tables.items("Orders") == []


@pytest.mark.parametrize("asked", [{"amount": "5"}, {"amount": "1000"}, {"amount": "6.76", "currency": "SGD"}])
async def test_the_bounds_are_in_usd_and_belong_to_the_range(world: OrdersWorld, asked: dict[str, str]) -> None:
    assert 5 * NANO_PER_USD <= (await world.submitted(**asked)).credit <= 1000 * NANO_PER_USD


async def test_an_account_has_a_few_open_orders(world: OrdersWorld) -> None:
    first, *_ = [await world.in_review(f"token-{n}") for n in range(3)]
    with pytest.raises(TooManyOrders) as refused:
        await world.submitted("token-3")
    assert refused.value.headers() == {"x-should-retry": "false"}
    await world.orders.cancel(USER.account_id, first.order_id)
    await world.submitted("token-3")


async def test_a_reference_that_is_taken_is_drawn_again(world: OrdersWorld) -> None:
    taken = (await world.submitted()).reference
    drawn = iter([taken, "MC-234567"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("multiconnection.orders.service.new_reference", lambda rng: next(drawn))
        order = await world.submitted("token-2")
    assert order.reference == "MC-234567"
    assert await world.read(order) == order


async def test_the_list_is_the_accounts_own_newest_first_in_pages(world: OrdersWorld) -> None:
    orders = []
    for number in range(3):
        await asyncio.sleep(2)
        orders.append((await world.submitted(f"token-{number}")).order_id)
    await world.orders.create(OTHER, request())
    first = await world.orders.list(USER.account_id, 2, None)
    second = await world.orders.list(USER.account_id, 2, first.after)
    assert [order.order_id for order in (*first.orders, *second.orders)] == orders[::-1]
    assert second.after is None


@pytest.mark.parametrize("cursor", ["", "x", "token#abc", "ord_", "ord_" + "!" * 16])
async def test_a_cursor_that_is_none_is_refused(world: OrdersWorld, cursor: str) -> None:
    with pytest.raises(RequestInvalid) as refused:
        await world.orders.list(USER.account_id, 2, cursor)
    assert refused.value.param == "cursor"


async def test_another_accounts_order_is_as_missing_as_one_that_never_was(world: OrdersWorld) -> None:
    order = await world.in_review()
    messages = set()
    for order_id in (order.order_id, "ord_" + "0" * 16, "token#x"):
        for work in (world.orders.get, world.orders.cancel, world.receipts.done):
            with pytest.raises(OrderNotFound) as refused:
                await work(OTHER.account_id, order_id)
            messages.add(str(refused.value).replace(order_id, "ID"))
    assert len(messages) == 1
    assert (await world.read(order)).status is OrderStatus.IN_REVIEW


@pytest.mark.parametrize("settles", [False, True])
async def test_a_cancelled_order_is_closed_by_its_workflow(world: OrdersWorld, settles: bool) -> None:
    order = await (world.in_review() if settles else world.submitted())
    cancelled = await world.orders.cancel(USER.account_id, order.order_id)
    assert cancelled.status is OrderStatus.CANCELLED
    assert (await world.orders.cancel(USER.account_id, order.order_id)).status is OrderStatus.CANCELLED
    closed = await world.settled(order)
    assert (closed.status, closed.token) == (OrderStatus.CANCELLED, None)
    assert world.engine.statuses == {order.order_id: "SUCCEEDED"}
    assert world.mailbox.kinds[-1] == "order_cancelled"


async def test_a_decided_order_is_not_cancelled(world: OrdersWorld) -> None:
    order = await world.in_review()
    await world.approved(order)
    with pytest.raises(OrderNotPending) as refused:
        await world.orders.cancel(USER.account_id, order.order_id)
    assert refused.value.details["status"] in ("approved", "credited")
    # Which administrator it was is no business of the user's.
    assert refused.value.details["decided_by"] == "administrator"


async def test_an_order_stands_when_the_workflow_cannot_be_started(world: OrdersWorld) -> None:
    world.workflow.down = True
    order = await world.submitted()
    assert (await world.read(order)).status is OrderStatus.SUBMITTED
    assert world.alarms.names == ["order_not_started"]


async def test_a_table_that_is_down_is_an_error_of_ours() -> None:
    world = OrdersWorld()
    driver = Failing(world.tables)
    world.access.table = OrdersTable(driver, "Orders")
    driver.lose_reply("TransactWriteItems", times=1)
    order = await world.submitted()
    assert (await world.read(order)).order_id == order.order_id
    driver.lose_reply("GetItem", times=5)
    with pytest.raises(LedgerUnavailable):
        await world.orders.get(USER.account_id, order.order_id)
    await world.stop()


async def test_nothing_shows_the_task_token(world: OrdersWorld) -> None:
    order = await world.in_review()
    assert order.token is not None
    assert order.token not in repr(order)
