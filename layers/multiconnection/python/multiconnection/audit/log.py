"""The audit log: one entry for each action of an administrator or operator, in table Audit.

A change of the tables (accounts, adjustments, catalog, switches) and its entry are one transaction: neither exists
without the other, and `before` is what the transaction's own conditions have checked. An action that changes no table,
such as a reconciliation, is logged before it begins.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from multiconnection import ids
from multiconnection.aws import dynamo as a
from multiconnection.aws.dynamo import ConditionFailed, Driver, Item, TransactionCancelled
from multiconnection.errors import RequestInvalid
from multiconnection.ids import random_text
from multiconnection.observability.logging import correlation
from multiconnection.ports import Clock, Rng
from multiconnection.retry import Reliable

# Queries of one page: each reads up to a megabyte, or one empty month.
READS_MAX = 13
# So many empty months in a row lie before the log's first entry.
EMPTY_MONTHS_MAX = 12
ROWS_PER_READ = 500
# Another process's clock may be ahead of this one.
CLOCK_SKEW_MS = 600_000
_MS_CHARS, _RANDOM_CHARS = 8, 6
_ID = re.compile(rf"aud_[0-9A-Za-z]{{{_MS_CHARS + _RANDOM_CHARS}}}")
_TEXTS = ("actor", "action", "subject", "reason", "request_id")
_CONDITION_FAILED = "ConditionalCheckFailed"
Facts = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """`before` and `after` are what the action changed; they never contain secrets."""

    entry_id: str
    at_s: int
    actor: str
    action: str
    subject: str
    before: Facts
    after: Facts
    reason: str
    request_id: str


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """`action` is an action or the first part of one: "order" finds "order.approved"."""

    actor: str | None = None
    action: str | None = None


@dataclass(frozen=True, slots=True)
class AuditPage:
    """`after` continues the list; a page may be short, or empty, and have a next one."""

    entries: Sequence[AuditEntry]
    after: str | None


class AuditEntries:
    """Makes entries in the order of their ids."""

    def __init__(self, clock: Clock, rng: Rng) -> None:
        self._clock = clock
        self._rng = rng
        self._last_ms = 0

    def of(self, actor: str, action: str, subject: str, before: Facts, after: Facts, why: str = "") -> AuditEntry:
        """An entry with an id of its own: a transaction that is repeated with it is carried out once."""
        now_ms = int(self._clock.now() * 1000)
        # Two entries of one millisecond keep their order.
        self._last_ms = max(now_ms, self._last_ms + 1)
        return AuditEntry(
            entry_id=f"{entry_bound(self._last_ms)}{random_text(self._rng, _RANDOM_CHARS)}",
            at_s=now_ms // 1000,
            actor=actor,
            action=action,
            subject=subject,
            before=before,
            after=after,
            reason=why,
            request_id=correlation().get("request_id", ""),
        )


class WriteRefused(Exception):
    """A condition of the change failed, and neither the change nor its entry was written.

    `refused` holds the item of each action whose condition failed, by its place; None where there is no item.
    """

    def __init__(self, refused: Mapping[int, Item | None]) -> None:
        super().__init__("a condition failed")
        self.refused = refused


class AuditedWrites:
    """Changes written together with their entries: all of it or nothing."""

    def __init__(self, driver: Driver, audit_table: str) -> None:
        self._driver = driver
        self._table = audit_table

    async def write(self, entry: AuditEntry, *actions: Mapping[str, Any]) -> None:
        """Carry out the actions. May be repeated with the same entry: if it exists, an earlier attempt did it all.

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
    """Table Audit: one item an entry, by month. Entries are never changed or removed."""

    def __init__(self, driver: Driver, table: str, entries: AuditEntries) -> None:
        self._driver = driver
        self._table = table
        self._entries = entries

    async def record(
        self, actor: str, action: str, subject: str, before: Facts, after: Facts, reason: str = ""
    ) -> None:
        """Append a new entry. Raises StoreError; repeated after an unknown outcome, the entry may be there twice."""
        await self.append(self._entries.of(actor, action, subject, before, after, reason))

    async def append(self, entry: AuditEntry) -> None:
        """May be repeated with the same entry. Raises StoreError."""
        try:
            await self._driver.call("PutItem", put_once(self._table, entry))
        except ConditionFailed:
            return

    async def page(self, before_id: str, wanted: AuditFilter, limit: int) -> AuditPage:
        """Entries before that id, newest first. Raises StoreError."""
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
            before_id = f"{entry_bound(_starts_ms(month))}{'0' * _RANDOM_CHARS}"
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


class AuditTrail:
    """The log as administrators read it."""

    def __init__(self, table: AuditTable, reliable: Reliable, clock: Clock) -> None:
        self._table = table
        self._reliable = reliable
        self._clock = clock

    async def page(self, cursor: str | None, wanted: AuditFilter, limit: int) -> AuditPage:
        """Newest first. Raises RequestInvalid for an unknown cursor, or LedgerUnavailable."""
        if cursor is not None and not _ID.fullmatch(cursor):
            raise RequestInvalid("'cursor' is not a place in this list.", param="cursor")
        newest = entry_bound(int(self._clock.now() * 1000) + CLOCK_SKEW_MS) + "z" * _RANDOM_CHARS
        return await self._reliable(lambda: self._table.page(cursor or newest, wanted, limit))


def entry_bound(ms: int) -> str:
    """A lower bound of this millisecond's entry ids, above those of every earlier one."""
    return f"aud_{ids.encode(max(0, ms), _MS_CHARS)}"


def entry_ms(entry_id: str) -> int:
    return ids.decode(entry_id[4 : 4 + _MS_CHARS])


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
    """The month of that time, then every earlier one."""
    at = datetime.fromtimestamp(ms / 1000, UTC)
    year, month = at.year, at.month
    while True:
        yield f"{year:04d}-{month:02d}"
        year, month = (year, month - 1) if month > 1 else (year - 1, 12)
