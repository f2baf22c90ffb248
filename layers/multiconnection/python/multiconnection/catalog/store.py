"""Table Catalog: the current entry of each model (its head) in one partition, and every price version, immutable.

A third partition holds switches: what is out of service, providers by name and models with their codes. A fourth holds
cool-downs, the only items that the functions that forward calls may write.
"""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from multiconnection.audit.log import AuditedWrites, AuditEntry, WriteRefused
from multiconnection.aws import dynamo as a
from multiconnection.aws.dynamo import ConditionFailed, Driver, Item, query_items
from multiconnection.retry import StoreError

from .models import (
    Catalog,
    CatalogError,
    Entry,
    Head,
    HeadChanged,
    Model,
    PriceVersion,
    SwitchChanged,
    Switches,
    UpstreamRef,
    parse_model,
)

_HEADS = "HEAD"
_PRICES = ("price_version", "prices", "cost_prices", "long_context")
_SWITCHES, _PROVIDER, _MODEL = "SWITCH", "provider#", "model#"
# The condition of the policies in template.yaml names this partition.
COOL_DOWNS = "COOL_DOWN"
# More than all providers and their limited models together: one page, whatever a process may have written.
COOL_DOWNS_MAX = 200
log = logging.getLogger(__name__)


class CatalogTable:
    """Reads of the catalog, and the publication of entries from a file. All methods raise StoreError.

    Implements `CatalogSource`.
    """

    def __init__(self, driver: Driver, table: str) -> None:
        self._driver = driver
        self._table = table

    async def models(self) -> list[Model]:
        """The current entry of every enabled model; raises CatalogError on an entry that cannot be priced."""
        # Eventually consistent: every process reads them once a minute.
        heads = query_items(self._driver, "Query", self._query(_HEADS, consistent=False))
        return [parse_model(head.entry) for head in [_head(item) async for item in heads] if head.enabled]

    async def switches(self) -> Switches:
        """Strongly consistent."""
        off, models = set(), {}
        async for item in query_items(self._driver, "Query", self._query(_SWITCHES)):
            name = a.read_text(item, "sk")
            if a.read_flag(item, "enabled"):
                continue
            if name.startswith(_PROVIDER):
                off.add(name.removeprefix(_PROVIDER))
            elif name.startswith(_MODEL):
                models[a.read_text(item, "code")] = name.removeprefix(_MODEL)
        return Switches(frozenset(off), models)

    async def cool_downs(self) -> Mapping[UpstreamRef, float]:
        """Upstreams and the seconds since the epoch until which some process leaves them alone.

        The values are those processes' own: expired ones are among them, and none is checked. Nobody depends on them,
        so a failure is none at all and never raises.
        """
        query = {**self._query(COOL_DOWNS, consistent=False), "Limit": COOL_DOWNS_MAX}
        try:
            items = (await self._driver.call("Query", query)).get("Items", ())
        except StoreError as exc:
            log.warning("cool_downs_unreadable", extra={"error": type(exc).__name__})
            return {}
        found = ((_cooling_upstream(item), _cools_until_s(item)) for item in items)
        return {ref: until_s for ref, until_s in found if until_s is not None}

    async def share_cool_down(self, upstream: UpstreamRef, until_s: float, latest_s: float) -> bool:
        """Write a cool-down unless a longer one is there, which ends by `latest_s`: none that is right can be later."""
        update = {
            "TableName": self._table,
            "Key": _key(COOL_DOWNS, f"{upstream.provider}#{upstream.model}"),
            "UpdateExpression": "SET until_ms = :until",
            "ConditionExpression": "attribute_not_exists(until_ms) OR until_ms < :until OR until_ms > :latest",
            "ExpressionAttributeValues": {
                ":until": a.number(int(until_s * 1000)),
                ":latest": a.number(int(latest_s * 1000)),
            },
        }
        try:
            await self._driver.call("UpdateItem", update)
        except ConditionFailed:
            return False
        return True

    async def heads(self) -> Sequence[Head]:
        """Every model, disabled ones too; strongly consistent."""
        return [_head(item) async for item in query_items(self._driver, "Query", self._query(_HEADS))]

    async def head(self, model_id: str) -> Head | None:
        """Strongly consistent."""
        item = await self._item(_HEADS, model_id)
        return _head(item) if item else None

    async def versions(self, model_id: str) -> Sequence[PriceVersion]:
        """Oldest first; strongly consistent."""
        query = self._query(_partition(model_id))
        return [_version(item) async for item in query_items(self._driver, "Query", query)]

    async def version(self, model_id: str, price_version: int) -> Entry | None:
        """The entry as published; strongly consistent."""
        item = await self._item(_partition(model_id), _version_name(price_version))
        return _entry(item) if item else None

    async def publish(self, entries: Iterable[Entry]) -> int:
        """Write entries as (id, price_version) rows and make them current; returns how many heads changed.

        Raises CatalogError when a price changed without a new `price_version`, or names or codes clash.
        """
        current = {head.model_id: head.entry for head in await self.heads()}
        new = {str(entry["id"]): _with_newer_prices(entry, current.get(str(entry["id"]))) for entry in entries}
        Catalog.of(parse_model(entry) for entry in (current | new).values())
        changed = 0
        for model_id, entry in new.items():
            if entry != current.get(model_id):
                await self._publish(entry)
                changed += 1
        return changed

    async def _publish(self, entry: Entry) -> None:
        put = _new_version(self._table, entry)
        try:
            await self._driver.call("PutItem", put)
        except ConditionFailed:
            await self._require_same_prices(entry)
        await self._driver.call(
            "UpdateItem",
            {
                "TableName": self._table,
                "Key": _key(_HEADS, str(entry["id"])),
                "UpdateExpression": "SET entry = :entry, enabled = if_not_exists(enabled, :true)",
                "ExpressionAttributeValues": {":entry": put["Item"]["entry"], ":true": a.flag(True)},
            },
        )

    async def _require_same_prices(self, entry: Entry) -> None:
        published = await self.version(str(entry["id"]), int(entry["price_version"])) or {}
        if any(published.get(name) != entry.get(name) for name in _PRICES):
            raise CatalogError(f"{entry['id']}: price version {entry['price_version']} is published with other prices")

    def _query(self, partition: str, *, consistent: bool = True) -> Mapping[str, Any]:
        return {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": a.text(partition)},
            "ConsistentRead": consistent,
        }

    async def _item(self, partition: str, name: str) -> Item | None:
        get = {"TableName": self._table, "Key": _key(partition, name), "ConsistentRead": True}
        return (await self._driver.call("GetItem", get)).get("Item")


class AdminCatalogTable(CatalogTable):
    """Changes by administrators: each is one transaction with its entry of the audit log.

    Every write may be repeated with the same audit entry, and raises StoreError.
    """

    def __init__(self, driver: Driver, table: str, writes: AuditedWrites) -> None:
        super().__init__(driver, table)
        self._writes = writes

    async def add_version(self, head: Head, entry: Entry, log: AuditEntry) -> None:
        """Write a new version and make it current. Raises HeadChanged."""
        put = _new_version(self._table, entry)
        put["Item"] |= {"created_s": a.number(log.at_s), "created_by": a.text(log.actor)}
        update = self._head_update(head, "SET entry = :new", {":new": put["Item"]["entry"]})
        await self._change_head(log, {"Update": update}, {"Put": put})

    async def set_enabled(self, head: Head, enabled: bool, log: AuditEntry) -> None:
        """Raises HeadChanged."""
        update = self._head_update(head, "SET enabled = :new", {":new": a.flag(enabled)})
        # A switch beside the flag, so that the model's code can be named while its last calls end.
        switch = self._switch(f"{_MODEL}{head.model_id}", enabled, log)
        switch["Item"]["code"] = a.text(str(head.entry["code"]))
        await self._change_head(log, {"Update": update}, {"Put": switch})

    async def set_provider(self, name: str, enabled: bool, log: AuditEntry) -> None:
        """A provider without a switch is on. Raises SwitchChanged."""
        put = self._switch(f"{_PROVIDER}{name}", enabled, log)
        was = "enabled = :was" if enabled else "attribute_not_exists(pk) OR enabled = :was"
        put |= {"ConditionExpression": was, "ExpressionAttributeValues": {":was": a.flag(not enabled)}}
        try:
            await self._writes.write(log, {"Put": put})
        except WriteRefused as exc:
            raise SwitchChanged from exc

    async def _change_head(self, log: AuditEntry, *actions: Mapping[str, Any]) -> None:
        try:
            await self._writes.write(log, *actions)
        except WriteRefused as exc:
            raise HeadChanged from exc

    def _head_update(self, head: Head, update: str, values: Item) -> Mapping[str, Any]:
        """Under the condition that the head is as it was read."""
        return {
            "TableName": self._table,
            "Key": _key(_HEADS, head.model_id),
            "UpdateExpression": update,
            "ConditionExpression": "entry = :was AND enabled = :enabled",
            "ExpressionAttributeValues": {**values, ":was": a.text(head.body), ":enabled": a.flag(head.enabled)},
        }

    def _switch(self, name: str, enabled: bool, log: AuditEntry) -> dict[str, Any]:
        item = {
            **_key(_SWITCHES, name),
            "enabled": a.flag(enabled),
            "switched_s": a.number(log.at_s),
            "switched_by": a.text(log.actor),
        }
        return {"TableName": self._table, "Item": item}


def _with_newer_prices(entry: Entry, current: Entry | None) -> Entry:
    """Prices that an administrator has changed since stay; everything else is the file's."""
    if current is None or current["price_version"] <= entry["price_version"]:
        return entry
    rest = {name: value for name, value in entry.items() if name not in _PRICES}
    return rest | {name: current[name] for name in _PRICES if name in current}


def _new_version(table: str, entry: Entry) -> dict[str, Any]:
    """The row of a price version, which is written once."""
    key = _key(_partition(str(entry["id"])), _version_name(int(entry["price_version"])))
    item = {**key, "entry": a.text(json.dumps(entry, sort_keys=True))}
    return {"TableName": table, "Item": item, "ConditionExpression": "attribute_not_exists(pk)"}


def _key(partition: str, name: str) -> Item:
    return {"pk": a.text(partition), "sk": a.text(name)}


def _partition(model_id: str) -> str:
    return f"MODEL#{model_id}"


def _version_name(price_version: int) -> str:
    return f"V#{price_version:06d}"


def _entry(item: Item) -> Entry:
    entry: Entry = json.loads(a.read_text(item, "entry"))
    return entry


def _head(item: Item) -> Head:
    return Head(_entry(item), a.read_flag(item, "enabled"), a.read_text(item, "entry"))


def _cooling_upstream(item: Item) -> UpstreamRef:
    provider, _, model = a.read_text(item, "sk").partition("#")
    return UpstreamRef(provider, model)


def _cools_until_s(item: Item) -> float | None:
    """None for a value of another type or of another size than ours."""
    digits = str(item.get("until_ms", {}).get("N", ""))
    return int(digits) / 1000 if digits.isdecimal() and len(digits) < 16 else None


def _version(item: Item) -> PriceVersion:
    return PriceVersion(_entry(item), a.read_number_or_none(item, "created_s"), a.read_text(item, "created_by"))
