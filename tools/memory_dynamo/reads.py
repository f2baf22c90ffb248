"""GetItem, Query and Scan of the in-memory table."""

from collections.abc import Iterable, Mapping
from typing import Any

from multiconnection.aws.dynamo import Item, RequestRejected

from .expressions.evaluate import Names, Test, Values, resolve
from .expressions.plan import Plan, plan_of
from .expressions.values import copy_item, item_bytes, normalise_item
from .table import Row, Schema, Table

PAGE_BYTES_MAX = 1024 * 1024
_COMMON = {"TableName", "ConsistentRead", "ProjectionExpression", "ExpressionAttributeNames"}
_PAGED = _COMMON | {"ExpressionAttributeValues", "FilterExpression", "IndexName", "Limit", "ExclusiveStartKey"}
_GET = frozenset(_COMMON | {"Key"})
_QUERY = frozenset(_PAGED | {"KeyConditionExpression", "ScanIndexForward"})
_SCAN = frozenset(_PAGED)


def get_item(table: Table, payload: Mapping[str, Any]) -> dict[str, Any]:
    _check_members("GetItem", payload, _GET)
    plan = plan_of(payload)
    names, _ = plan.bind(payload)
    _check_projection(plan, names)
    row = table.rows.get(table.key_of(table.key(payload["Key"])))
    return {"Item": _projected(row.item, plan, names)} if row else {}


def query(table: Table, payload: Mapping[str, Any]) -> dict[str, Any]:
    _check_members("Query", payload, _QUERY)
    schema = _schema(table, payload)
    plan = plan_of(payload, "FilterExpression")
    names, values = plan.bind(payload)
    if plan.key_condition is None:
        raise RequestRejected("a query needs a key condition")
    _check_filter(plan, names, schema)
    partition = plan.key_condition.partition(names, values, schema.hash)
    test = plan.key_condition.sort_test(names, schema.hash, schema.range)
    for key, value in plan.key_condition.compared(names, values):
        table.check_key_value(key, value)
    rows = table.partition(payload.get("IndexName"), partition)
    found = [row for row in rows if test is None or test(row.item, names, values)]
    return _page(table, schema, found, payload, (plan, names, values))


def scan(table: Table, payload: Mapping[str, Any]) -> dict[str, Any]:
    _check_members("Scan", payload, _SCAN)
    plan = plan_of(payload, "FilterExpression")
    names, values = plan.bind(payload)
    rows = table.all_rows(payload.get("IndexName"))
    return _page(table, _schema(table, payload), rows, payload, (plan, names, values))


def _check_members(operation: str, payload: Mapping[str, Any], known: frozenset[str]) -> None:
    if not payload.keys() <= known:
        raise NotImplementedError(f"{operation} with {sorted(payload.keys() - known)}")


def _check_projection(plan: Plan, names: Names) -> None:
    if len({resolve(path, names) for path in plan.projection}) != len(plan.projection):
        raise RequestRejected("two document paths overlap with each other")


def _check_filter(plan: Plan, names: Names, schema: Schema) -> None:
    for path in plan.condition_paths:
        if resolve(path, names) in schema.attributes:
            raise RequestRejected(f"a filter can not contain the key attribute {resolve(path, names)}")


def _schema(table: Table, payload: Mapping[str, Any]) -> Schema:
    index = payload.get("IndexName")
    if index is None:
        return table.schema
    if payload.get("ConsistentRead"):
        raise RequestRejected("consistent reads are not supported on global secondary indexes")
    if index not in table.indexes:
        raise RequestRejected(f"the table does not have the specified index: {index}")
    return table.indexes[index]


def _page(
    table: Table,
    schema: Schema,
    rows: Iterable[Row],
    payload: Mapping[str, Any],
    bound: tuple[Plan, Names, Values],
) -> dict[str, Any]:
    plan, names, values = bound
    _check_projection(plan, names)
    limit = payload.get("Limit")
    if limit is not None and limit < 1:
        raise RequestRejected("Limit must be greater than or equal to 1")
    ordered = _in_order(schema, rows, payload)
    examined, more = _cut(ordered, limit)
    visible = [_visible(table, schema, row.item, payload.get("IndexName")) for row in examined]
    chosen = visible if plan.condition is None else _filtered(visible, plan.condition, names, values)
    answer: dict[str, Any] = {
        "Items": [_projected(item, plan, names) for item in chosen],
        "Count": len(chosen),
        "ScannedCount": len(examined),
    }
    if more:
        last = examined[-1].item
        answer["LastEvaluatedKey"] = copy_item({name: last[name] for name in schema.cursor})
    return answer


def _in_order(schema: Schema, rows: Iterable[Row], payload: Mapping[str, Any]) -> list[Row]:
    forward = payload.get("ScanIndexForward", True)
    placed = sorted(((schema.position(row.item), row) for row in rows), key=lambda pair: pair[0], reverse=not forward)
    if (start := payload.get("ExclusiveStartKey")) is None:
        return [row for _, row in placed]
    if start.keys() != set(schema.cursor):
        raise RequestRejected("the provided starting key is invalid")
    after = schema.position(normalise_item(start))
    return [row for place, row in placed if (place > after if forward else place < after)]


def _cut(rows: list[Row], limit: int | None) -> tuple[list[Row], bool]:
    """One page, and whether DynamoDB would name a last key: it does when it stops at the limit, even at the end."""
    if limit is not None and len(rows) >= limit:
        rows, more = rows[:limit], True
    else:
        more = False
    if sum(row.bytes_bound for row in rows) <= PAGE_BYTES_MAX:
        return rows, more
    size = 0
    for count, row in enumerate(rows, start=1):
        size += item_bytes(row.item)
        if size > PAGE_BYTES_MAX and count < len(rows):
            return rows[:count], True
    return rows, more


def _visible(table: Table, schema: Schema, item: Item, index: str | None) -> Item:
    """An index holds keys only, unless the table says that it holds everything."""
    if index is None or index in table.full_indexes:
        return item
    return {name: item[name] for name in schema.cursor}


def _filtered(items: list[Item], test: Test, names: Names, values: Values) -> list[Item]:
    return [item for item in items if test(item, names, values)]


def _projected(item: Item, plan: Plan, names: Names) -> Item:
    if not plan.projection:
        return copy_item(item)
    wanted = [resolve(path, names) for path in plan.projection]
    return copy_item({name: item[name] for name in wanted if name in item})
