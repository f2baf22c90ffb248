"""Table Catalog as administrators change it: each change under the condition that the head is as it was read."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from multiconnection.services.admin_models import Head, HeadChanged, PriceVersion
from multiconnection.services.audit import AuditEntry

from . import attributes as a
from .audit import AuditedWrites, WriteRefused
from .driver import Driver, Item
from .paging import items
from .switches import model_switch

_HEADS = "HEAD"


class AdminCatalogTable:
    """Implements `CatalogStore` and `EntryVersions`."""

    def __init__(self, driver: Driver, table: str, writes: AuditedWrites) -> None:
        self._driver = driver
        self._table = table
        self._writes = writes

    async def heads(self) -> Sequence[Head]:
        return [_head(item) async for item in items(self._driver, "Query", self._query(_HEADS))]

    async def head(self, model_id: str) -> Head | None:
        item = await self._item(_HEADS, model_id)
        return _head(item) if item else None

    async def versions(self, model_id: str) -> Sequence[PriceVersion]:
        return [_version(item) async for item in items(self._driver, "Query", self._query(f"MODEL#{model_id}"))]

    async def version_entry(self, model_id: str, price_version: int) -> Mapping[str, Any] | None:
        item = await self._item(f"MODEL#{model_id}", _version_key(price_version))
        return _entry(item) if item else None

    async def publish(self, head: Head, entry: Mapping[str, Any], log: AuditEntry) -> None:
        body = a.text(json.dumps(entry, sort_keys=True))
        version = {
            "TableName": self._table,
            "Item": {
                "pk": a.text(f"MODEL#{head.model_id}"),
                "sk": a.text(_version_key(int(entry["price_version"]))),
                "entry": body,
                "created_s": a.number(log.at_s),
                "created_by": a.text(log.actor),
            },
            "ConditionExpression": "attribute_not_exists(pk)",
        }
        await self._change(
            log, {"Update": self._head_update(head, "SET entry = :new", {":new": body})}, {"Put": version}
        )

    async def set_enabled(self, head: Head, enabled: bool, log: AuditEntry) -> None:
        update = self._head_update(head, "SET enabled = :new", {":new": a.flag(enabled)})
        await self._change(log, {"Update": update}, {"Put": model_switch(self._table, head.entry, enabled, log)})

    async def _change(self, log: AuditEntry, *actions: Mapping[str, Any]) -> None:
        try:
            await self._writes.write(log, *actions)
        except WriteRefused as exc:
            raise HeadChanged from exc

    def _head_update(self, head: Head, update: str, values: Item) -> Mapping[str, Any]:
        return {
            "TableName": self._table,
            "Key": {"pk": a.text(_HEADS), "sk": a.text(head.model_id)},
            "UpdateExpression": update,
            "ConditionExpression": "entry = :was AND enabled = :enabled",
            "ExpressionAttributeValues": {**values, ":was": a.text(head.body), ":enabled": a.flag(head.enabled)},
        }

    def _query(self, partition: str) -> Mapping[str, Any]:
        return {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": a.text(partition)},
            "ConsistentRead": True,
        }

    async def _item(self, partition: str, name: str) -> Item | None:
        key = {"pk": a.text(partition), "sk": a.text(name)}
        answer = await self._driver.call("GetItem", {"TableName": self._table, "Key": key, "ConsistentRead": True})
        return answer.get("Item")


def _version_key(price_version: int) -> str:
    return f"V#{price_version:06d}"


def _entry(item: Item) -> Mapping[str, Any]:
    entry: Mapping[str, Any] = json.loads(a.read_text(item, "entry"))
    return entry


def _head(item: Item) -> Head:
    return Head(_entry(item), a.read_flag(item, "enabled"), a.read_text(item, "entry"))


def _version(item: Item) -> PriceVersion:
    return PriceVersion(_entry(item), a.read_number_or_none(item, "created_s"), a.read_text(item, "created_by"))
