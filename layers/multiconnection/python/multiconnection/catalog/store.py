"""Table Catalog: the current entry of each model in one partition, and every price version, immutable, beside it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from multiconnection.audit.log import AuditedWrites, AuditEntry, WriteRefused
from multiconnection.aws import dynamo as a
from multiconnection.aws.dynamo import ConditionFailed, Driver, Item, query_items

from .models import Catalog, CatalogError, Head, HeadChanged, Model, PriceVersion, Switches, SwitchMoved, parse_model

_HEADS = "HEAD"
_PRICES = ("price_version", "prices", "cost_prices", "long_context")


class CatalogTable:
    """Reads the heads in one query; writes versions once."""

    def __init__(self, driver: Driver, table: str) -> None:
        self._driver = driver
        self._table = table

    async def models(self) -> list[Model]:
        """The current entry of every enabled model; raises CatalogError on an entry that cannot be priced."""
        return [parse_model(entry) for entry, enabled in await self._heads() if enabled]

    async def publish(self, entries: Iterable[Mapping[str, Any]]) -> int:
        """Write entries as (id, price_version) rows and make them current; returns how many heads changed.

        Raises CatalogError when a price changed without a new `price_version`, or names or codes clash.
        """
        current = {str(entry["id"]): entry for entry, _ in await self._heads()}
        new = {str(entry["id"]): _with_newer_prices(entry, current.get(str(entry["id"]))) for entry in entries}
        Catalog.of(parse_model(entry) for entry in (current | new).values())
        changed = 0
        for entry in new.values():
            if entry != current.get(str(entry["id"])):
                await self._publish(entry)
                changed += 1
        return changed

    async def entry(self, model_id: str) -> dict[str, Any] | None:
        """The current entry as published."""
        key = {"pk": a.text(_HEADS), "sk": a.text(model_id)}
        answer = await self._driver.call("GetItem", {"TableName": self._table, "Key": key, "ConsistentRead": True})
        return _entry(answer["Item"]) if "Item" in answer else None

    async def _publish(self, entry: Mapping[str, Any]) -> None:
        version = {"pk": a.text(f"MODEL#{entry['id']}"), "sk": a.text(f"V#{int(entry['price_version']):06d}")}
        body = a.text(json.dumps(entry, sort_keys=True))
        try:
            await self._driver.call(
                "PutItem",
                {
                    "TableName": self._table,
                    "Item": version | {"entry": body},
                    "ConditionExpression": "attribute_not_exists(pk)",
                },
            )
        except ConditionFailed:
            await self._require_same_prices(version, entry)
        await self._set_head(entry, body)

    async def _require_same_prices(self, version: Item, entry: Mapping[str, Any]) -> None:
        answer = await self._driver.call("GetItem", {"TableName": self._table, "Key": version, "ConsistentRead": True})
        published = _entry(answer["Item"])
        if any(published.get(name) != entry.get(name) for name in _PRICES):
            raise CatalogError(f"{entry['id']}: price version {entry['price_version']} is published with other prices")

    async def _set_head(self, entry: Mapping[str, Any], body: a.Attribute) -> None:
        await self._driver.call(
            "UpdateItem",
            {
                "TableName": self._table,
                "Key": {"pk": a.text(_HEADS), "sk": a.text(str(entry["id"]))},
                "UpdateExpression": "SET entry = :entry, enabled = if_not_exists(enabled, :true)",
                "ExpressionAttributeValues": {":entry": body, ":true": a.flag(True)},
            },
        )

    async def _heads(self) -> list[tuple[dict[str, Any], bool]]:
        query = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :heads",
            "ExpressionAttributeValues": {":heads": a.text(_HEADS)},
        }
        return [
            (_entry(item), a.read_flag(item, "enabled")) async for item in query_items(self._driver, "Query", query)
        ]


def _with_newer_prices(entry: Mapping[str, Any], current: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Prices that an administrator has changed since stay; everything else is the file's."""
    if current is None or current["price_version"] <= entry["price_version"]:
        return entry
    rest = {name: value for name, value in entry.items() if name not in _PRICES}
    return rest | {name: current[name] for name in _PRICES if name in current}


def _entry(item: Item) -> dict[str, Any]:
    entry: dict[str, Any] = json.loads(a.read_text(item, "entry"))
    return entry


# Table Catalog as administrators change it: each change under the condition that the head is as it was read.


class AdminCatalogTable:
    """Implements `CatalogStore` and `EntryVersions`."""

    def __init__(self, driver: Driver, table: str, writes: AuditedWrites) -> None:
        self._driver = driver
        self._table = table
        self._writes = writes

    async def heads(self) -> Sequence[Head]:
        return [_head(item) async for item in query_items(self._driver, "Query", self._query(_HEADS))]

    async def head(self, model_id: str) -> Head | None:
        item = await self._item(_HEADS, model_id)
        return _head(item) if item else None

    async def versions(self, model_id: str) -> Sequence[PriceVersion]:
        return [_version(item) async for item in query_items(self._driver, "Query", self._query(f"MODEL#{model_id}"))]

    async def version_entry(self, model_id: str, price_version: int) -> Mapping[str, Any] | None:
        item = await self._item(f"MODEL#{model_id}", _version_key(price_version))
        return _parse_entry(item) if item else None

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


def _parse_entry(item: Item) -> Mapping[str, Any]:
    entry: Mapping[str, Any] = json.loads(a.read_text(item, "entry"))
    return entry


def _head(item: Item) -> Head:
    return Head(_parse_entry(item), a.read_flag(item, "enabled"), a.read_text(item, "entry"))


def _version(item: Item) -> PriceVersion:
    return PriceVersion(_parse_entry(item), a.read_number_or_none(item, "created_s"), a.read_text(item, "created_by"))


# Table Catalog read by version: what a model cost when a call was made.


class PriceVersionsTable:
    """Implements `PriceVersions`; versions are written once and never change."""

    def __init__(self, driver: Driver, table: str) -> None:
        self._driver = driver
        self._table = table

    async def version(self, model_id: str, price_version: int) -> Model | None:
        """Raises StoreError, or CatalogError on an entry that cannot be priced."""
        key = {"pk": a.text(f"MODEL#{model_id}"), "sk": a.text(f"V#{price_version:06d}")}
        answer = await self._driver.call("GetItem", {"TableName": self._table, "Key": key})
        return parse_model(json.loads(a.read_text(answer["Item"], "entry"))) if "Item" in answer else None


# What is switched off, in a partition of table Catalog beside the heads: providers, and models by their codes.

_SWITCHES, _PROVIDER, _MODEL = "SWITCH", "provider#", "model#"


class SwitchesTable:
    """Implements `SwitchSource`: one query, with the catalog, once a minute."""

    def __init__(self, driver: Driver, catalog_table: str) -> None:
        self._driver = driver
        self._table = catalog_table

    async def switches(self) -> Switches:
        query = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :switches",
            "ExpressionAttributeValues": {":switches": a.text(_SWITCHES)},
            "ConsistentRead": True,
        }
        off, models = set(), {}
        async for item in query_items(self._driver, "Query", query):
            name = a.read_text(item, "sk")
            if a.read_flag(item, "enabled"):
                continue
            if name.startswith(_PROVIDER):
                off.add(name.removeprefix(_PROVIDER))
            elif name.startswith(_MODEL):
                models[a.read_text(item, "code")] = name.removeprefix(_MODEL)
        return Switches(frozenset(off), models)


class AdminSwitchesTable(SwitchesTable):
    """Implements `SwitchStore`."""

    def __init__(self, driver: Driver, catalog_table: str, writes: AuditedWrites) -> None:
        super().__init__(driver, catalog_table)
        self._writes = writes

    async def set_provider(self, name: str, enabled: bool, entry: AuditEntry) -> None:
        """What was never switched is on."""
        put = switch_item(self._table, f"{_PROVIDER}{name}", enabled, entry)
        was = "attribute_not_exists(pk) OR enabled = :was" if not enabled else "enabled = :was"
        put |= {"ConditionExpression": was, "ExpressionAttributeValues": {":was": a.flag(not enabled)}}
        try:
            await self._writes.write(entry, {"Put": put})
        except WriteRefused as exc:
            raise SwitchMoved from exc


def model_switch(table: str, model: Mapping[str, Any], enabled: bool, entry: AuditEntry) -> dict[str, Any]:
    """Beside the flag of a model's head, so that its code can be named while its last calls end."""
    put = switch_item(table, f"{_MODEL}{model['id']}", enabled, entry)
    put["Item"]["code"] = a.text(str(model["code"]))
    return put


def switch_item(table: str, name: str, enabled: bool, entry: AuditEntry) -> dict[str, Any]:
    item = {
        "pk": a.text(_SWITCHES),
        "sk": a.text(name),
        "enabled": a.flag(enabled),
        "switched_s": a.number(entry.at_s),
        "switched_by": a.text(entry.actor),
    }
    return {"TableName": table, "Item": item}
