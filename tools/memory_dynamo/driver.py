"""DynamoDB in memory, with its exact conditional semantics: the driver of the simulation."""

from collections.abc import Callable, Mapping
from typing import Any

from multiconnection.aws.dynamo import ConditionFailed, Item, RequestRejected, TransactionCancelled

from . import reads
from .expressions.updates import UpdateRefused
from .expressions.values import copy_item
from .table import Table, TableKeys
from .writes import Write, bind, returned

__all__ = ["MemoryDynamo", "TableKeys"]

ACTIONS_MAX = 100
_WRITES = {"PutItem": "Put", "UpdateItem": "Update", "DeleteItem": "Delete"}
_ACTIONS = frozenset(("Put", "Update", "Delete", "ConditionCheck"))


class MemoryDynamo:
    """Implements `Driver`. A call never awaits, so it is atomic; nothing is shared with the caller's objects.

    Indexes are up to date at once, there is no throttling, and a ClientRequestToken is remembered for ever.
    A member of a request or a part of an expression that it does not know raises NotImplementedError.
    """

    def __init__(self, tables: Mapping[str, TableKeys]) -> None:
        self._tables = {name: Table(keys) for name, keys in tables.items()}
        self._tokens: dict[str, Any] = {}
        self._reads: dict[str, Callable[[Table, Mapping[str, Any]], dict[str, Any]]] = {
            "GetItem": reads.get_item,
            "Query": reads.query,
            "Scan": reads.scan,
        }

    async def call(self, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        return self.execute(operation, payload)

    def execute(self, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """`call` for callers without a loop."""
        if (kind := _WRITES.get(operation)) is not None:
            write = bind(self._table(payload), kind, payload)
            write.evaluate()
            answer = returned(write, payload.get("ReturnValues", "NONE"))
            write.commit()
            return answer
        if operation == "TransactWriteItems":
            return self._transact(payload)
        if operation not in self._reads:
            raise NotImplementedError(operation)
        return self._reads[operation](self._table(payload), payload)

    def items(self, table: str) -> list[Item]:
        """Copies of all items of a table, in the order of their insertion."""
        return [copy_item(row.item) for row in self._tables[table].rows.values()]

    def snapshot(self) -> dict[str, list[Item]]:
        """Copies of all items of all tables."""
        return {name: self.items(name) for name in self._tables}

    def _table(self, payload: Mapping[str, Any]) -> Table:
        name = payload["TableName"]
        if name not in self._tables:
            raise RequestRejected(f"requested resource not found: table {name}")
        return self._tables[name]

    def _transact(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        if not payload.keys() <= {"TransactItems", "ClientRequestToken"}:
            raise NotImplementedError(f"TransactWriteItems with {sorted(payload)}")
        writes = self._bind_all(payload["TransactItems"])
        token = payload.get("ClientRequestToken")
        if token is not None and self._seen(token, payload["TransactItems"]):
            return {}
        reasons = [_reason(write) for write in writes]
        if any(code != "None" for code, _ in reasons):
            raise TransactionCancelled(reasons)
        for write in writes:
            write.commit()
        if token is not None:
            self._tokens[token] = repr(payload["TransactItems"])
        return {}

    def _bind_all(self, actions: list[Mapping[str, Mapping[str, Any]]]) -> list[Write]:
        if not 1 <= len(actions) <= ACTIONS_MAX:
            raise RequestRejected(f"a transaction has 1 to {ACTIONS_MAX} actions")
        writes = []
        for action in actions:
            if len(action) != 1 or not action.keys() <= _ACTIONS:
                raise RequestRejected("an action is exactly one of Put, Update, Delete, ConditionCheck")
            ((kind, request),) = action.items()
            if kind == "ConditionCheck" and "ConditionExpression" not in request:
                raise RequestRejected("a ConditionCheck needs a ConditionExpression")
            writes.append(bind(self._table(request), kind, request))
        if len({(id(write.table), write.key) for write in writes}) != len(writes):
            raise RequestRejected("transaction request cannot include multiple operations on one item")
        return writes

    def _seen(self, token: str, actions: Any) -> bool:
        known = self._tokens.get(token)
        if known is not None and known != repr(actions):
            raise RequestRejected("IdempotentParameterMismatchException")
        return known is not None


def _reason(write: Write) -> tuple[str, Item | None]:
    try:
        write.evaluate()
    except ConditionFailed as exc:
        return "ConditionalCheckFailed", exc.item
    except UpdateRefused:
        return "ValidationError", None
    return "None", None
