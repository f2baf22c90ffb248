"""One conditional write of the in-memory table: bound to its request first, then evaluated against the item."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from multiconnection.aws.dynamo import ConditionFailed, Item, RequestRejected

from .expressions.evaluate import Names, Values
from .expressions.plan import Plan, plan_of
from .expressions.updates import UpdateRefused
from .expressions.values import bytes_bound, copy_item, normalise_item
from .table import Key, Row, Table

_COMMON = {
    "TableName",
    "ConditionExpression",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
    "ReturnValuesOnConditionCheckFailure",
}
_MEMBERS = {
    "Put": frozenset(_COMMON | {"Item", "ReturnValues"}),
    "Update": frozenset(_COMMON | {"Key", "UpdateExpression", "ReturnValues"}),
    "Delete": frozenset(_COMMON | {"Key", "ReturnValues"}),
    "ConditionCheck": frozenset(_COMMON | {"Key"}),
}
_NOTHING: Item = {}


@dataclass(slots=True)
class Write:
    """`row` after `evaluate()` is what the write leaves; `before` is what it found."""

    table: Table
    key: Key
    kind: str
    plan: Plan
    names: Names
    values: Values
    item: Item
    targets: list[str]
    old_on_failure: bool
    before: Row | None = None
    row: Row | None = None

    def evaluate(self) -> None:
        """Raises ConditionFailed, or UpdateRefused when the update does not fit the item."""
        before = self.before = self.table.rows.get(self.key)
        if self.plan.condition is not None:
            item = _NOTHING if before is None else before.item
            if not self.plan.condition(item, self.names, self.values):
                raise ConditionFailed(copy_item(item) if item and self.old_on_failure else None)
        if self.kind == "Update":
            self.row = self._updated(before)
        elif self.kind == "Put":
            self.row = self.table.row(self.item)
        elif self.kind == "ConditionCheck":
            self.row = before

    def commit(self) -> None:
        if self.kind != "ConditionCheck":
            self.table.store(self.key, self.row)

    def _updated(self, before: Row | None) -> Row:
        update = self.plan.update
        if before is None:
            before = self.table.row(self.item)
        if update is None:
            return before
        old, new, bound = before.item, before.item.copy(), before.bytes_bound
        for name, compute in zip(self.targets, update.results, strict=True):
            value = compute(old, self.names, self.values)
            if value is None:
                new.pop(name, None)
                continue
            new[name] = value
            bound += bytes_bound(name, value)
            if name in self.table.index_keys:
                self.table.check_key_value(name, value)
        try:
            return self.table.row(new, bound)
        except RequestRejected as exc:
            raise UpdateRefused(str(exc)) from exc


def bind(table: Table, kind: str, payload: Mapping[str, Any]) -> Write:
    """Everything that can be wrong with a write before its item is looked at raises RequestRejected here."""
    if not payload.keys() <= _MEMBERS[kind]:
        raise NotImplementedError(f"{kind} with {sorted(payload.keys() - _MEMBERS[kind])}")
    plan = plan_of(payload)
    names, values = plan.bind(payload)
    if kind == "Put":
        item = normalise_item(payload["Item"])
        table.check_new(item)
        table.row(item)
    else:
        item = table.key(payload["Key"])
    targets = _targets(table, plan, names) if plan.update is not None else []
    old_on_failure = payload.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
    return Write(table, table.key_of(item), kind, plan, names, values, item, targets, old_on_failure)


def _targets(table: Table, plan: Plan, names: Names) -> list[str]:
    assert plan.update is not None
    targets = plan.update.attributes(names)
    if not table.key_set.isdisjoint(targets):
        raise RequestRejected("cannot update an attribute that is part of the key")
    return targets


def returned(write: Write, wanted: str) -> dict[str, Any]:
    """The answer to a single write with its ReturnValues."""
    if wanted == "NONE":
        return {}
    if wanted == "ALL_OLD":
        return {"Attributes": copy_item(write.before.item)} if write.before else {}
    if write.kind != "Update" or wanted not in ("ALL_NEW", "UPDATED_NEW", "UPDATED_OLD"):
        raise RequestRejected(f"ReturnValues can not be {wanted}")
    source = write.before if wanted == "UPDATED_OLD" else write.row
    item = source.item if source else _NOTHING
    if wanted != "ALL_NEW":
        item = {name: item[name] for name in write.targets if name in item}
    return {"Attributes": copy_item(item)} if item else {}
