"""The auditor: looks at every item right after every write, independently of the ledger's own assertions."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any
from zlib import crc32

from multiconnection.aws.dynamo import Item, RequestRejected
from tests.support.order_keys import ORDER_KEYS
from tools.memory_dynamo.driver import MemoryDynamo, TableKeys

from .images import Image, LiveHold
from .order_audit import OrderAudit

BALANCES, USAGE, CREDITS, KEYS, ORDERS = "Balances", "Usage", "Credits", "Keys", "Orders"
TABLES = {
    BALANCES: TableKeys(
        "account_id",
        indexes={"by_activity": ("activity_shard", "activity_bucket")},
        types={"account_id": "S", "activity_shard": "S", "activity_bucket": "N"},
    ),
    USAGE: TableKeys("account_id", "request_id", types={"account_id": "S", "request_id": "S"}),
    CREDITS: TableKeys("account_id", "credit_id", types={"account_id": "S", "credit_id": "S"}),
    KEYS: TableKeys(
        "key_hash", indexes={"by_account": ("account_id", "key_id")}, full_indexes=frozenset({"by_account"})
    ),
    ORDERS: ORDER_KEYS,
}
_WRITES = ("PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems")
RowKey = tuple[str, str, str]


class Auditor:
    """Executes operations on the tables; `violations` names each broken invariant, with figures.

    `trace` is a checksum of everything executed, in order: equal for two runs of one seed.
    """

    def __init__(self, tables: MemoryDynamo, in_flight_max: int) -> None:
        self.violations: list[str] = []
        self.images: dict[str, Image] = {}
        self.rows: dict[RowKey, Item] = {}
        self.charges: Counter[tuple[str, str]] = Counter()
        self.trace = 0
        self._tables = tables
        self._in_flight_max = in_flight_max
        self._credited: Counter[str] = Counter()
        self._births: dict[tuple[str, str, int], int] = {}
        self._removed: set[tuple[str, str, int]] = set()
        self._spent: Counter[tuple[str, str]] = Counter()
        self._budgets: dict[tuple[str, str], int] = {}
        self._key_status: dict[tuple[str, str], str] = {}
        self.orders = OrderAudit(self._broken)

    def execute(self, operation: str, payload: Mapping[str, Any], serving: str | None = None) -> dict[str, Any]:
        """Raises StoreError as a database does."""
        self.trace = crc32(repr((operation, payload)).encode(), self.trace)
        try:
            answer = self._tables.execute(operation, payload)
        except RequestRejected as exc:
            self._broken("rejected", f"{operation}: {exc}")
            raise
        if operation in _WRITES:
            # Rows first: within one transaction the account's image is judged by them.
            for table, key in sorted(_touched(payload), key=lambda touched: touched[0] == BALANCES):
                self._look(table, key, serving)
        return answer

    def key_status(self, account_id: str, key_id: str) -> str:
        return self._key_status.get((account_id, key_id), "")

    def row(self, account_id: str, hold_id: str) -> Item | None:
        return self.rows.get((USAGE, account_id, hold_id))

    def look_again(self) -> None:
        """At the end: every row ever seen is still there, unchanged, and there is no other."""
        for table, range_key in ((USAGE, "request_id"), (CREDITS, "credit_id")):
            found = {(table, item["account_id"]["S"], item[range_key]["S"]): item for item in self._tables.items(table)}
            if found != {key: row for key, row in self.rows.items() if key[0] == table}:
                self._broken("I11", f"the rows of {table} are not those that were written")

    def _broken(self, invariant: str, what: str) -> None:
        self.violations.append(f"{invariant}: {what}")

    def _look(self, table: str, key: Item, serving: str | None) -> None:
        item = self._tables.execute("GetItem", {"TableName": table, "Key": key}).get("Item")
        if item is None:
            self._broken("I11", f"an item of {table} was deleted: {key}")
            return
        if table == ORDERS:
            self.orders.look(item, lambda account_id, order_id: self.rows.get((CREDITS, account_id, order_id)))
            return
        account_id = item["account_id"]["S"]
        if serving is not None and account_id != serving:
            self._broken("I14", f"a request of {serving} wrote to {table} of {account_id}")
        if table == BALANCES:
            self._look_at_account(account_id, Image(item))
        elif table == KEYS:
            self._key_status[account_id, item["key_id"]["S"]] = item["status"]["S"]
        else:
            self._look_at_row(table, account_id, item)

    def _look_at_row(self, table: str, account_id: str, item: Item) -> None:
        row_id = item["request_id" if table == USAGE else "credit_id"]["S"]
        known = self.rows.setdefault((table, account_id, row_id), item)
        if known is not item:
            self._broken("I11", f"the row {row_id} of {table} was written twice")
        elif table == CREDITS:
            self._credited[account_id] += int(item["amount"]["N"])
        else:
            self._look_at_decision(account_id, row_id, item)

    def _look_at_decision(self, account_id: str, hold_id: str, item: Item) -> None:
        cost, hold, birth = (int(item[name]["N"]) for name in ("cost", "hold", "birth"))
        if not 0 <= cost <= hold:
            self._broken("I6", f"{hold_id} costs {cost} of a hold of {hold}")
        if self._births.get((account_id, hold_id, birth)) != hold:
            self._broken("I5", f"{hold_id} decides about a hold of {hold} born at {birth}, which never was")
        if item["decided_by"]["S"] == "sweeper" and cost:
            self._broken("I5", f"the sweeper charged {cost} for {hold_id}")

    def _look_at_account(self, account_id: str, after: Image) -> None:
        before = self.images.get(account_id)
        self.images[account_id] = after
        for what in after.breaches():
            self._broken(*what)
        if after.number("credits_in") != self._credited[account_id]:
            self._broken("I9", f"credits_in {after.number('credits_in')}, but rows of {self._credited[account_id]}")
        if before is None:
            return
        if after.version != before.version + 1:
            self._broken("I10", f"version {before.version} was followed by {after.version}")
        self._look_at_holds(account_id, before, after)
        self._look_at_caps(account_id, before, after)

    def _look_at_holds(self, account_id: str, before: Image, after: Image) -> None:
        due = 0
        for hold_id in after.holds.keys() - before.holds.keys():
            self._look_at_birth(account_id, hold_id, before, after)
        for hold_id, hold in before.holds.items():
            if hold_id not in after.holds:
                due += self._look_at_removal(account_id, hold_id, hold)
            elif after.holds[hold_id] != hold:
                self._broken("I4", f"the hold {hold_id} was changed")
        charged = after.number("charged") - before.number("charged")
        if charged != due:
            self._broken("I5", f"charged {charged} where the decisions say {due}")

    def _look_at_birth(self, account_id: str, hold_id: str, before: Image, after: Image) -> None:
        hold = after.holds[hold_id]
        self._births[account_id, hold_id, hold.birth] = hold.amount
        if hold.birth != before.version:
            self._broken("I4", f"{hold_id} was born at {before.version}, not {hold.birth}")
        if before.status != "active":
            self._broken("R", f"{hold_id} was reserved while the account was {before.status}")
        if len(after.holds) > self._in_flight_max:
            self._broken("R", f"{len(after.holds)} holds in flight")
        if self._key_status.get((account_id, hold.key_id), "active") != "active":
            self._broken("R", f"{hold_id} was reserved with a revoked key")

    def _look_at_removal(self, account_id: str, hold_id: str, hold: LiveHold) -> int:
        """What this removal must charge."""
        life = (account_id, hold_id, hold.birth)
        if life in self._removed:
            self._broken("I4", f"{hold_id} born at {hold.birth} was removed twice")
        self._removed.add(life)
        row = self.row(account_id, hold_id)
        if row is None:
            self._broken("I7", f"{hold_id} was removed without a decision")
            return 0
        cost = int(row["cost"]["N"]) if int(row["birth"]["N"]) == hold.birth else 0
        if cost:
            self.charges[account_id, hold_id] += 1
        if hold.capped:
            self._spent[account_id, hold.key_id] += cost
        return cost

    def _look_at_caps(self, account_id: str, before: Image, after: Image) -> None:
        for key_id, left in after.caps.items():
            if key_id not in before.caps:
                self._budgets[account_id, key_id] = left
            held = sum(hold.amount for hold in after.holds.values() if hold.capped and hold.key_id == key_id)
            spent = self._spent[account_id, key_id]
            if left + held + spent != self._budgets[account_id, key_id]:
                self._broken("I13", f"budget of {key_id}: {left} left, {held} held, {spent} spent")


def _touched(payload: Mapping[str, Any]) -> Iterator[tuple[str, Item]]:
    for action in payload.get("TransactItems", ({"": payload},)):
        ((kind, request),) = action.items()
        table = request["TableName"]
        if kind != "ConditionCheck":
            yield table, request["Key"] if "Key" in request else _key_of(table, request["Item"])


def _key_of(table: str, item: Item) -> Item:
    keys = TABLES[table]
    return {name: item[name] for name in (keys.hash, keys.range) if name is not None}
