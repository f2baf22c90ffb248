"""Table Audit: what administrators did, one item an entry, by month; put once, never changed and never removed."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from multiconnection.services.audit import AuditEntry, Facts
from multiconnection.services.audit_trail import AuditEntries, AuditFilter, AuditPage, entry_bound, entry_ms

from . import attributes as a
from .driver import ConditionFailed, Driver, Item, TransactionCancelled

# Queries of one page: each reads up to a megabyte, or one empty month.
READS_MAX = 13
# A log that says nothing for a year has begun.
EMPTY_MONTHS_MAX = 12
ROWS_PER_READ = 500
_TEXTS = ("actor", "action", "subject", "reason", "request_id")
_CONDITION_FAILED = "ConditionalCheckFailed"


class WriteRefused(Exception):
    """A condition of the change failed, and neither it nor its entry was written.

    `refused` holds the item of each action whose condition failed, by its place; None where there is no item.
    """

    def __init__(self, refused: Mapping[int, Item | None]) -> None:
        super().__init__("a condition failed")
        self.refused = refused


class AuditedWrites:
    """Changes together with their entries of the log: all of it or nothing."""

    def __init__(self, driver: Driver, audit_table: str) -> None:
        self._driver = driver
        self._table = audit_table

    async def write(self, entry: AuditEntry, *actions: Mapping[str, Any]) -> None:
        """May be repeated with the same entry: where it exists, an earlier attempt has done it all.

        Raises WriteRefused or StoreError.
        """
        items = [{"Put": put_once(self._table, entry)}, *actions]
        try:
            await self._driver.call("TransactWriteItems", {"TransactItems": items})
        except TransactionCancelled as exc:
            (entry_code, _), *others = exc.reasons
            if entry_code == _CONDITION_FAILED:
                return
            refused = {place: item for place, (code, item) in enumerate(others) if code == _CONDITION_FAILED}
            if not refused:
                raise
            raise WriteRefused(refused) from exc


class AuditTable:
    """Implements `Audit` for actions that are logged on their own, `AuditReader` and `EntryStore`."""

    def __init__(self, driver: Driver, table: str, entries: AuditEntries) -> None:
        self._driver = driver
        self._table = table
        self._entries = entries

    async def record(
        self, actor: str, action: str, subject: str, before: Facts, after: Facts, reason: str = ""
    ) -> None:
        """Raises StoreError; repeated after an unknown outcome it may be there twice, never not at all."""
        await self.append(self._entries.of(actor, action, subject, before, after, reason))

    async def append(self, entry: AuditEntry) -> None:
        try:
            await self._driver.call("PutItem", put_once(self._table, entry))
        except ConditionFailed:
            return

    async def page(self, before_id: str, wanted: AuditFilter, limit: int) -> AuditPage:
        found: list[AuditEntry] = []
        empty_months = 0
        months = _months(entry_ms(before_id))
        month = next(months)
        for _ in range(READS_MAX):
            answer = await self._driver.call("Query", self._query(month, before_id, wanted, limit - len(found)))
            found += [parse(item) for item in answer["Items"]]
            if len(found) >= limit:
                return AuditPage(found[:limit], found[limit - 1].entry_id)
            if answer.get("LastEvaluatedKey"):
                before_id = a.read_text(answer["LastEvaluatedKey"], "entry_id")
                continue
            empty_months = 0 if answer["ScannedCount"] else empty_months + 1
            if empty_months > EMPTY_MONTHS_MAX:
                return AuditPage(found, None)
            before_id = f"{entry_bound(_starts_ms(month))}000000"
            month = next(months)
        return AuditPage(found, before_id)

    def _query(self, month: str, before_id: str, wanted: AuditFilter, limit: int) -> dict[str, Any]:
        values = {":month": a.text(month), ":before": a.text(before_id)}
        conditions, names = [], {}
        if wanted.actor is not None:
            conditions.append("#actor = :actor")
            names["#actor"], values[":actor"] = "actor", a.text(wanted.actor)
        if wanted.action is not None:
            conditions.append("begins_with(#action, :action)")
            names["#action"], values[":action"] = "action", a.text(wanted.action)
        query: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "audit_month = :month AND entry_id < :before",
            "ExpressionAttributeValues": values,
            "ScanIndexForward": False,
            "Limit": ROWS_PER_READ if conditions else limit,
            "ConsistentRead": True,
        }
        if conditions:
            query |= {"FilterExpression": " AND ".join(conditions), "ExpressionAttributeNames": names}
        return query


def put_once(table: str, entry: AuditEntry) -> Mapping[str, Any]:
    return {
        "TableName": table,
        "Item": {
            "audit_month": a.text(_month(entry_ms(entry.entry_id))),
            "entry_id": a.text(entry.entry_id),
            "at_s": a.number(entry.at_s),
            **{name: a.text(getattr(entry, name)) for name in _TEXTS},
            "before": a.text(_packed(entry.before)),
            "after": a.text(_packed(entry.after)),
        },
        "ConditionExpression": "attribute_not_exists(audit_month)",
    }


def parse(item: Item) -> AuditEntry:
    texts: dict[str, Any] = {name: a.read_text(item, name) for name in _TEXTS}
    return AuditEntry(
        entry_id=a.read_text(item, "entry_id"),
        at_s=a.read_number(item, "at_s"),
        before=json.loads(a.read_text(item, "before")),
        after=json.loads(a.read_text(item, "after")),
        **texts,
    )


def _packed(facts: Facts) -> str:
    return json.dumps(dict(facts), sort_keys=True)


def _month(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m")


def _starts_ms(month: str) -> int:
    return int(datetime.fromisoformat(f"{month}-01T00:00:00+00:00").timestamp() * 1000)


def _months(ms: int) -> Iterator[str]:
    """That time's month, and all before it."""
    at = datetime.fromtimestamp(ms / 1000, UTC)
    year, month = at.year, at.month
    while True:
        yield f"{year:04d}-{month:02d}"
        year, month = (year, month - 1) if month > 1 else (year - 1, 12)
