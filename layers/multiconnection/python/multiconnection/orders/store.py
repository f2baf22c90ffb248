"""Table Orders: one item per order, and markers that keep client tokens and references unique.

Markers have keys of their own (`token#…`, `ref#…`) and none of the indexes' attributes, so no list shows them. The
state machine writes the task token itself, on condition that the order is in review.
"""

from collections.abc import Mapping
from typing import Any

from multiconnection.aws import dynamo as a
from multiconnection.aws.dynamo import ConditionFailed, Driver, Item, TransactionCancelled
from multiconnection.ledger.dynamo import DynamoStore
from multiconnection.ledger.models import CreditRow

from .models import (
    SOURCES,
    Order,
    OrderNotApproved,
    OrderPage,
    OrderRefused,
    OrderStatus,
    Receipt,
    ReferenceTaken,
    TokenTaken,
)

BY_ACCOUNT, BY_STATUS = "by_account", "by_status"
_CONDITION_FAILED = "ConditionalCheckFailed"
_TEXTS = ("reference", "account_id", "email", "currency", "method", "note", "reason", "decided_by", "decider_id")
_NUMBERS = ("cents", "rate", "credit", "created_s", "expires_s", "run")
_MAYBE_NUMBERS = ("approved_credit", "announced_s", "notified_s")
Value = str | int


class OrdersTable:
    """Orders by id, by account and by status.

    Each method is one round trip, may be repeated, and raises StoreError as well; a write that finds an order in
    another state raises OrderRefused.
    """

    def __init__(self, driver: Driver, table: str) -> None:
        self._driver = driver
        self._table = table

    async def create(self, order: Order, token_key: str) -> None:
        """Raises TokenTaken, ReferenceTaken or StoreError."""
        puts = [
            self._put_once({"order_id": a.text(_token_marker(token_key)), "target": a.text(order.order_id)}),
            self._put_once({"order_id": a.text(f"ref#{order.reference}"), "target": a.text(order.order_id)}),
            self._put_once(to_item(order)),
        ]
        try:
            await self._driver.call("TransactWriteItems", {"TransactItems": [{"Put": put} for put in puts]})
        except TransactionCancelled as exc:
            (token_code, marker), *_ = exc.reasons
            if token_code != _CONDITION_FAILED:
                raise ReferenceTaken(order.reference) from exc
            target = a.read_text(marker, "target") if marker else await self.by_token(token_key)
            raise TokenTaken(target or "") from exc

    async def by_token(self, token_key: str) -> str | None:
        """The id of the order made under a client token; strongly consistent."""
        marker = await self._item(_token_marker(token_key))
        return a.read_text(marker, "target") if marker else None

    async def get(self, order_id: str) -> Order | None:
        """Strongly consistent."""
        item = await self._item(order_id)
        return parse(item) if item and "status" in item else None

    async def of_account(self, account_id: str, limit: int, after: str | None = None) -> OrderPage:
        """Newest first; eventually consistent."""
        return await self._page(BY_ACCOUNT, "account_id", account_id, limit, after, newest_first=True)

    async def with_status(
        self, status: OrderStatus, limit: int, after: str | None = None, newest_first: bool = False
    ) -> OrderPage:
        """Oldest first unless `newest_first`; eventually consistent."""
        return await self._page(BY_STATUS, "status", status.value, limit, after, newest_first=newest_first)

    async def transition(
        self,
        order: Order,
        to: OrderStatus,
        at_s: int,
        changes: Mapping[str, Value] | None = None,
    ) -> Order:
        """The order in its new state, on condition that its amount and owner are those of `order`."""
        return await self._update(transition(self._table, order, to, at_s, changes or {}))

    async def set_receipt(self, order: Order, receipt: Receipt) -> Order:
        """Record the receipt of an open order."""
        changes: dict[str, Value] = {
            "receipt_type": receipt.content_type,
            "receipt_size": receipt.size,
            "receipt_s": receipt.uploaded_s,
        }
        return await self._update(change_open(self._table, order, changes))

    async def mark_announced(self, order: Order, at_s: int) -> Order:
        """Record that the administrators have been notified."""
        return await self._update(mark(self._table, order, "announced_s", at_s))

    async def mark_notified(self, order: Order, at_s: int) -> Order:
        """Record that the user has been notified, and remove the task token, which is no longer needed."""
        return await self._update(mark(self._table, order, "notified_s", at_s, forget_token=True))

    async def next_run(self, order: Order) -> Order:
        """Number another execution; refused when another process has done so since `order` was read."""
        return await self._update(next_run(self._table, order))

    async def _item(self, order_id: str) -> Item | None:
        key = {"order_id": a.text(order_id)}
        answer = await self._driver.call("GetItem", {"TableName": self._table, "Key": key, "ConsistentRead": True})
        return answer.get("Item")

    def _put_once(self, item: Item) -> Mapping[str, Any]:
        return {
            "TableName": self._table,
            "Item": item,
            "ConditionExpression": "attribute_not_exists(order_id)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    async def _update(self, request: Mapping[str, Any]) -> Order:
        try:
            answer = await self._driver.call("UpdateItem", request)
        except ConditionFailed as exc:
            raise OrderRefused(parse(exc.item) if exc.item else None) from exc
        return parse(answer["Attributes"])

    async def _page(
        self, index: str, attribute: str, value: str, limit: int, after: str | None, newest_first: bool
    ) -> OrderPage:
        query: dict[str, Any] = {
            "TableName": self._table,
            "IndexName": index,
            "KeyConditionExpression": "#hash = :hash",
            "ExpressionAttributeNames": {"#hash": attribute},
            "ExpressionAttributeValues": {":hash": a.text(value)},
            "ScanIndexForward": not newest_first,
            "Limit": limit,
        }
        if after is not None:
            query["ExclusiveStartKey"] = {attribute: a.text(value), "order_id": a.text(after)}
        answer = await self._driver.call("Query", query)
        orders = tuple(parse(item) for item in answer.get("Items", ()))
        return OrderPage(orders, orders[-1].order_id if answer.get("LastEvaluatedKey") and orders else None)


class OrderCredits:
    """Credits of approved orders; only the recharge worker has them."""

    def __init__(self, ledger: DynamoStore, table: str) -> None:
        self._ledger = ledger
        self._table = table

    async def put(self, row: CreditRow) -> None:
        """Write the credit row, the balance and the order, from approved to credited, in one transaction.

        Raises AlreadyCredited, OrderNotApproved or AccountRefused.
        """
        try:
            await self._ledger.credit(row, {"Update": credited(self._table, row)})
        except TransactionCancelled as exc:
            _, _, (_, item) = exc.reasons
            raise OrderNotApproved(a.read_text(item, "status") if item else None) from exc


def transition(table: str, order: Order, to: OrderStatus, at_s: int, changes: Mapping[str, Value]) -> Mapping[str, Any]:
    """Enter `to` from one of its sources, on condition that amount and owner are those of `order`."""
    sources = {f":from_{source.value}": a.text(source.value) for source in SOURCES[to]}
    frozen = {":account": a.text(order.account_id), ":cents": a.number(order.cents), ":credit": a.number(order.credit)}
    names = {"#status": "status", "#at": f"at_{to.value}"}
    values = {":to": a.text(to.value), ":at": a.number(at_s), **sources, **frozen}
    sets = ["#status = :to", "#at = :at"]
    for name, value in changes.items():
        names[f"#{name}"], values[f":{name}"] = name, _attribute(value)
        sets.append(f"#{name} = :{name}")
    condition = f"#status IN ({', '.join(sources)}) AND account_id = :account AND cents = :cents AND credit = :credit"
    return _update(table, order.order_id, f"SET {', '.join(sets)}", condition, names, values)


def credited(table: str, row: CreditRow) -> Mapping[str, Any]:
    """The order's part of its credit, on condition that it is approved with this amount for this account."""
    condition = "#status = :approved AND account_id = :account AND credit = :credit AND approved_credit = :credit"
    values = {
        ":credited": a.text(OrderStatus.CREDITED.value),
        ":approved": a.text(OrderStatus.APPROVED.value),
        ":account": a.text(row.account_id),
        ":credit": a.number(row.amount),
        ":at": a.number(row.created_ms // 1000),
    }
    names = {"#status": "status", "#at": f"at_{OrderStatus.CREDITED.value}"}
    request = _update(table, row.credit_id, "SET #status = :credited, #at = :at", condition, names, values)
    return {name: value for name, value in request.items() if name != "ReturnValues"}


def change_open(table: str, order: Order, changes: Mapping[str, Value]) -> Mapping[str, Any]:
    """Change attributes of an order that is not decided yet."""
    sources = {f":{source.value}": a.text(source.value) for source in SOURCES[OrderStatus.CANCELLED]}
    sets = ", ".join(f"{name} = :{name}" for name in changes)
    values = sources | {f":{name}": _attribute(value) for name, value in changes.items()}
    return _update(
        table, order.order_id, f"SET {sets}", f"#status IN ({', '.join(sources)})", {"#status": "status"}, values
    )


def mark(table: str, order: Order, name: str, at_s: int, *, forget_token: bool = False) -> Mapping[str, Any]:
    """Record the time of a notice once; later marks change nothing."""
    update = "SET #mark = if_not_exists(#mark, :at)" + (" REMOVE task_token" if forget_token else "")
    return _update(
        table, order.order_id, update, "attribute_exists(order_id)", {"#mark": name}, {":at": a.number(at_s)}
    )


def next_run(table: str, order: Order) -> Mapping[str, Any]:
    """Raise the number of executions; of two concurrent requests one succeeds."""
    values = {":run": a.number(order.run), ":next": a.number(order.run + 1)}
    return _update(table, order.order_id, "SET #run = :next", "#run = :run", {"#run": "run"}, values)


def to_item(order: Order) -> Item:
    item = {
        "order_id": a.text(order.order_id),
        "status": a.text(order.status.value),
        **{name: a.text(getattr(order, name)) for name in _TEXTS},
        **{name: a.number(getattr(order, name)) for name in _NUMBERS},
        **{f"at_{status.value}": a.number(at_s) for status, at_s in order.times.items()},
    }
    found = {name: getattr(order, name) for name in _MAYBE_NUMBERS}
    return item | {name: a.number(value) for name, value in found.items() if value is not None}


def parse(item: Item) -> Order:
    """Raises KeyError or ValueError on a malformed item."""
    maybe: dict[str, Any] = {name: a.read_number_or_none(item, name) for name in _MAYBE_NUMBERS}
    texts: dict[str, Any] = {name: a.read_text(item, name) for name in _TEXTS}
    numbers: dict[str, Any] = {name: a.read_number(item, name) for name in _NUMBERS}
    return Order(
        order_id=a.read_text(item, "order_id"),
        status=OrderStatus(a.read_text(item, "status")),
        times={status: int(item[f"at_{status.value}"]["N"]) for status in OrderStatus if f"at_{status.value}" in item},
        receipt=_receipt(item),
        token=a.read_text(item, "task_token") or None,
        **texts,
        **numbers,
        **maybe,
    )


def _receipt(item: Item) -> Receipt | None:
    if "receipt_s" not in item:
        return None
    size, uploaded_s = a.read_number(item, "receipt_size"), a.read_number(item, "receipt_s")
    return Receipt(a.read_text(item, "receipt_type"), size, uploaded_s)


def _token_marker(token_key: str) -> str:
    return f"token#{token_key}"


def _attribute(value: Value) -> a.Attribute:
    return a.text(value) if isinstance(value, str) else a.number(value)


def _update(
    table: str, order_id: str, update: str, condition: str, names: Mapping[str, str], values: Item
) -> Mapping[str, Any]:
    return {
        "TableName": table,
        "Key": {"order_id": a.text(order_id)},
        "UpdateExpression": update,
        "ConditionExpression": condition,
        "ExpressionAttributeNames": dict(names),
        "ExpressionAttributeValues": values,
        "ReturnValues": "ALL_NEW",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
