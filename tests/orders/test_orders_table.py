"""The Orders table on the in-memory database and on moto: uniqueness, lists, conditions, the credit's transaction."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import boto3
import pytest
from moto import mock_aws

from local.template import load
from multiconnection.aws.dynamo import Driver
from multiconnection.ledger import items as ledger_items
from multiconnection.ledger.dynamo import DynamoStore, LedgerTables
from multiconnection.ledger.models import AccountLimits, CreditRow
from multiconnection.ledger.store import AlreadyCredited
from multiconnection.money import NANO_PER_USD
from multiconnection.orders.models import (
    OPEN,
    SOURCES,
    Order,
    OrderNotApproved,
    OrderPage,
    OrderRefused,
    OrderStatus,
    Receipt,
    ReferenceTaken,
    TokenTaken,
    new_order_id,
)
from multiconnection.orders.store import OrderCredits, OrdersTable
from tests.support.limit_world import SeededRng
from tests.support.moto_driver import MotoDriver
from tests.support.orders_world import BALANCES, CREDITS, ORDERS, TABLES, USAGE
from tools.memory_dynamo.driver import MemoryDynamo

TEMPLATE = Path(__file__).parents[2] / "template.yaml"
RNG = SeededRng(7)
NOW_S = 1_800_000_000
TOKEN = {
    "TableName": ORDERS,
    "UpdateExpression": "SET task_token = :token",
    "ConditionExpression": "attribute_exists(order_id)",
    "ExpressionAttributeValues": {":token": {"S": "secret"}},
}


def an_order(created_s: int = NOW_S, **changes: Any) -> Order:
    order = Order(
        order_id=new_order_id(created_s, RNG),
        reference=f"MC-{RNG.below(10**6)}",
        account_id="acct_1",
        email="user@example.com",
        cents=10_000,
        currency="SGD",
        rate=740_000_000,
        credit=74 * NANO_PER_USD,
        method="bank_transfer",
        status=OrderStatus.SUBMITTED,
        note="",
        created_s=created_s,
        expires_s=created_s + 3600,
        times={OrderStatus.SUBMITTED: created_s},
    )
    return replace(order, **changes)


@contextmanager
def driver_named(name: str) -> Iterator[Driver]:
    if name == "memory":
        yield MemoryDynamo(TABLES)
        return
    with mock_aws():
        client = boto3.client("dynamodb", "us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
        for spec in load(TEMPLATE).tables():
            if (table := spec.logical_id.removesuffix("Table")) in TABLES:
                client.create_table(TableName=table, **cast("Any", spec.definition))
        yield MotoDriver(client)


@pytest.fixture(params=["memory", "moto"])
def driver(request: pytest.FixtureRequest) -> Iterator[Driver]:
    with driver_named(request.param) as found:
        yield found


@pytest.fixture
def table(driver: Driver) -> OrdersTable:
    return OrdersTable(driver, ORDERS)


async def in_state(table: OrdersTable, status: OrderStatus) -> Order:
    """An order that has come there by the shortest way."""
    order = an_order()
    await table.create(order, order.order_id)
    way = [status]
    while SOURCES[way[0]]:
        way.insert(0, SOURCES[way[0]][-1])
    for step in way[1:]:
        changes = {"approved_credit": order.credit} if step is OrderStatus.APPROVED else {}
        order = await table.transition(order, step, NOW_S + 1, changes)
    return order


async def test_an_order_is_read_as_it_was_written(table: OrdersTable) -> None:
    order = an_order(
        note="ü", receipt=None, reason="", decided_by="a", decider_id="b", approved_credit=1, announced_s=2, run=3
    )
    await table.create(order, "t")
    assert await table.get(order.order_id) == order
    assert await table.get("ord_" + "0" * 16) is None
    assert await table.by_token("t") == order.order_id
    assert await table.by_token("u") is None


async def test_markers_are_no_orders(table: OrdersTable) -> None:
    order = an_order()
    await table.create(order, "t")
    assert await table.get("token#t") is None
    assert await table.get(f"ref#{order.reference}") is None


async def test_tokens_and_references_are_taken_once(table: OrdersTable) -> None:
    order, other = an_order(), an_order()
    await table.create(order, "t")
    with pytest.raises(TokenTaken) as taken:
        await table.create(other, "t")
    assert taken.value.order_id == order.order_id
    with pytest.raises(TokenTaken):
        await table.create(order, "t")
    with pytest.raises(ReferenceTaken):
        await table.create(replace(other, reference=order.reference), "u")
    assert await table.get(other.order_id) is None


async def test_lists_are_in_order_and_in_pages(table: OrdersTable) -> None:
    orders = [an_order(NOW_S + 2 * number) for number in range(5)]
    for order in orders:
        await table.create(order, order.order_id)
    await table.create(an_order(account_id="acct_2", status=OrderStatus.REJECTED), "other")
    submitted = partial(table.with_status, OrderStatus.SUBMITTED, 2)
    assert await all_of(partial(table.of_account, "acct_1", 2)) == orders[::-1]
    assert await all_of(submitted) == orders
    assert await all_of(partial(submitted, newest_first=True)) == orders[::-1]


async def all_of(pages: Callable[..., Awaitable[OrderPage]]) -> list[Order]:
    page = await pages()
    found = list(page.orders)
    while page.after:
        page = await pages(after=page.after)
        found += page.orders
    return found


@pytest.mark.parametrize("status", OrderStatus)
async def test_there_are_no_other_transitions(table: OrdersTable, status: OrderStatus) -> None:
    for to in OrderStatus:
        order = await in_state(table, status)
        if status in SOURCES[to]:
            moved = await table.transition(order, to, NOW_S + 9, {"reason": "because"})
            assert (moved.status, moved.times[to], moved.reason) == (to, NOW_S + 9, "because")
            assert moved == await table.get(order.order_id)
        elif SOURCES[to]:
            with pytest.raises(OrderRefused) as refused:
                await table.transition(order, to, NOW_S + 9, {"reason": "because"})
            assert refused.value.order == order == await table.get(order.order_id)


@pytest.mark.parametrize("changed", [{"cents": 1}, {"credit": 1}, {"account_id": "acct_2"}])
async def test_a_transition_is_of_the_order_that_was_read(table: OrdersTable, changed: dict[str, Any]) -> None:
    order = await in_state(table, OrderStatus.IN_REVIEW)
    with pytest.raises(OrderRefused):
        await table.transition(replace(order, **changed), OrderStatus.APPROVED, NOW_S)


async def test_an_order_that_is_not_there_is_refused(table: OrdersTable) -> None:
    with pytest.raises(OrderRefused) as refused:
        await table.transition(an_order(), OrderStatus.CANCELLED, NOW_S)
    assert refused.value.order is None


@pytest.mark.parametrize("status", OrderStatus)
async def test_a_receipt_belongs_to_an_open_order(table: OrdersTable, status: OrderStatus) -> None:
    order, receipt = await in_state(table, status), Receipt("image/png", 5, NOW_S)
    if status in OPEN:
        assert (await table.set_receipt(order, receipt)).receipt == receipt
    else:
        with pytest.raises(OrderRefused):
            await table.set_receipt(order, receipt)


async def test_a_mark_is_made_once_and_the_last_one_forgets_the_token(driver: Driver, table: OrdersTable) -> None:
    order = await in_state(table, OrderStatus.REJECTED)
    await driver.call("UpdateItem", {**TOKEN, "Key": {"order_id": {"S": order.order_id}}})
    announced = await table.mark_announced(order, NOW_S + 1)
    assert (announced.announced_s, announced.token) == (NOW_S + 1, "secret")
    assert (await table.mark_announced(order, NOW_S + 2)).announced_s == NOW_S + 1
    notified = await table.mark_notified(order, NOW_S + 3)
    assert (notified.notified_s, notified.token) == (NOW_S + 3, None)


async def test_of_two_who_count_a_run_one_does(table: OrdersTable) -> None:
    order = await in_state(table, OrderStatus.IN_REVIEW)
    assert (await table.next_run(order)).run == 1
    with pytest.raises(OrderRefused):
        await table.next_run(order)


# --- money-in


@pytest.fixture
async def ledger_store(driver: Driver) -> DynamoStore:
    await driver.call("PutItem", ledger_items.create(BALANCES, "acct_1", "", NOW_S, AccountLimits()))
    await driver.call("PutItem", ledger_items.create(BALANCES, "acct_2", "", NOW_S, AccountLimits()))
    return DynamoStore(driver, LedgerTables(BALANCES, USAGE, CREDITS))


@pytest.fixture
def order_credits(ledger_store: DynamoStore) -> OrderCredits:
    return OrderCredits(ledger_store, ORDERS)


def row_of(order: Order, **changes: Any) -> CreditRow:
    row = CreditRow(order.account_id, order.order_id, order.credit, "order", "note", "admin", NOW_S * 1000)
    return replace(row, **changes)


async def credits_in(ledger_store: DynamoStore) -> list[int]:
    accounts = [await ledger_store.account(account_id) for account_id in ("acct_1", "acct_2")]
    return [account.credits_in for account in accounts if account]


async def test_order_row_and_balance_change_together(
    ledger_store: DynamoStore, order_credits: OrderCredits, table: OrdersTable
) -> None:
    order = await in_state(table, OrderStatus.APPROVED)
    await order_credits.put(row_of(order))
    credited = await table.get(order.order_id)
    assert credited is not None
    assert (credited.status, credited.times[OrderStatus.CREDITED]) == (OrderStatus.CREDITED, NOW_S)
    assert await ledger_store.credit_row("acct_1", order.order_id) == row_of(order)
    assert await credits_in(ledger_store) == [order.credit, 0]
    with pytest.raises(AlreadyCredited) as again:
        await order_credits.put(row_of(order))
    assert again.value.row == row_of(order)
    assert await credits_in(ledger_store) == [order.credit, 0]


@pytest.mark.parametrize("status", [status for status in OrderStatus if status is not OrderStatus.APPROVED])
async def test_an_order_in_any_other_state_is_not_credited(
    ledger_store: DynamoStore, order_credits: OrderCredits, table: OrdersTable, status: OrderStatus
) -> None:
    order = await in_state(table, status)
    with pytest.raises(OrderNotApproved) as refused:
        await order_credits.put(row_of(order))
    assert refused.value.status in (status.value, None)
    assert await table.get(order.order_id) == order
    assert await credits_in(ledger_store) == [0, 0]


@pytest.mark.parametrize("changed", [{"amount": 1}, {"account_id": "acct_2"}, {"credit_id": "ord_" + "0" * 16}])
async def test_another_amount_account_or_order_is_not_credited(
    ledger_store: DynamoStore, order_credits: OrderCredits, table: OrdersTable, changed: dict[str, Any]
) -> None:
    order = await in_state(table, OrderStatus.APPROVED)
    with pytest.raises(OrderNotApproved):
        await order_credits.put(row_of(order, **changed))
    assert await table.get(order.order_id) == order
    assert await credits_in(ledger_store) == [0, 0]


async def test_an_order_whose_credit_is_not_the_approved_one_is_not_credited(
    ledger_store: DynamoStore, order_credits: OrderCredits, table: OrdersTable, driver: Driver
) -> None:
    order = await in_state(table, OrderStatus.APPROVED)
    raised = {
        "TableName": ORDERS,
        "Key": {"order_id": {"S": order.order_id}},
        "UpdateExpression": "SET credit = :more",
        "ExpressionAttributeValues": {":more": {"N": str(order.credit * 10)}},
    }
    await driver.call("UpdateItem", raised)
    for amount in (order.credit, order.credit * 10):
        with pytest.raises(OrderNotApproved):
            await order_credits.put(row_of(order, amount=amount))
    assert await credits_in(ledger_store) == [0, 0]
