"""Table Catalog: the current entry of each model in one partition, and every price version, immutable, beside it."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from multiconnection.domain.catalog import Catalog, CatalogError, Model, parse_model

from . import attributes as a
from .driver import ConditionFailed, Driver, Item
from .paging import items

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
        return [(_entry(item), a.read_flag(item, "enabled")) async for item in items(self._driver, "Query", query)]


def _with_newer_prices(entry: Mapping[str, Any], current: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Prices that an administrator has changed since stay; everything else is the file's."""
    if current is None or current["price_version"] <= entry["price_version"]:
        return entry
    rest = {name: value for name, value in entry.items() if name not in _PRICES}
    return rest | {name: current[name] for name in _PRICES if name in current}


def _entry(item: Item) -> dict[str, Any]:
    entry: dict[str, Any] = json.loads(a.read_text(item, "entry"))
    return entry
