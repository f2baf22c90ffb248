"""What is switched off, in a partition of table Catalog beside the heads: providers, and models by their codes."""

from collections.abc import Mapping
from typing import Any

from multiconnection.services.admin_providers import SwitchMoved
from multiconnection.services.audit import AuditEntry
from multiconnection.services.catalog import Switches

from . import attributes as a
from .audit import AuditedWrites, WriteRefused
from .driver import Driver
from .paging import items

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
        async for item in items(self._driver, "Query", query):
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
