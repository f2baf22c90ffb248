"""Table Reports: takings by day, model and account as the daily roll-up wrote them, and reconciliations."""

import json
from collections.abc import AsyncIterator
from dataclasses import asdict, fields
from typing import Any

from multiconnection.aws import dynamo as a
from multiconnection.aws.dynamo import Driver, Item, query_items
from multiconnection.ledger.reconcile import ReconcileReport

from .reconciliation import Reconciliation
from .revenue import DayTakings, Group, Takings, groups

_RECONCILIATION = "reconciliation"
_FIGURES = tuple(field.name for field in fields(Takings))
# Epoch seconds sort as texts until the year 2286.
_SECOND_DIGITS = 10


class ReportsTable:
    """Implements `TakingsStore` and `ReportStore`."""

    def __init__(self, driver: Driver, table: str) -> None:
        self._driver = driver
        self._table = table

    async def put_day(self, name: str, day: DayTakings) -> None:
        group: Group
        for group in ("model", "account"):
            for key, takings in groups(day, name, group).items():
                await self._put_takings(group, f"{name}#{key}", takings)
        await self._put_takings("day", f"{name}#{name}", day.total)

    async def read(self, group: Group, first: str, last: str) -> AsyncIterator[tuple[str, str, Takings]]:
        query = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk AND sk BETWEEN :first AND :last",
            "ExpressionAttributeValues": {
                ":pk": a.text(f"revenue#{group}"),
                ":first": a.text(f"{first}#"),
                # The character after "#".
                ":last": a.text(f"{last}$"),
            },
        }
        async for item in query_items(self._driver, "Query", query):
            day, _, name = a.read_text(item, "sk").partition("#")
            yield day, name, Takings(*(a.read_number(item, figure) for figure in _FIGURES))

    async def put_reconciliation(self, reconciliation: Reconciliation) -> None:
        await self._put(
            {
                "pk": a.text(_RECONCILIATION),
                "sk": a.text(f"{reconciliation.at_s:0{_SECOND_DIGITS}d}"),
                "report": a.text(json.dumps(asdict(reconciliation))),
            }
        )

    async def latest_reconciliation(self) -> Reconciliation | None:
        query = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": a.text(_RECONCILIATION)},
            "ScanIndexForward": False,
            "Limit": 1,
        }
        found = (await self._driver.call("Query", query))["Items"]
        return _reconciliation(found[0]) if found else None

    async def _put_takings(self, group: Group, sort: str, takings: Takings) -> None:
        figures = {figure: a.number(getattr(takings, figure)) for figure in _FIGURES}
        await self._put({"pk": a.text(f"revenue#{group}"), "sk": a.text(sort), **figures})

    async def _put(self, item: Item) -> None:
        await self._driver.call("PutItem", {"TableName": self._table, "Item": item})


def _reconciliation(item: Item) -> Reconciliation:
    found: dict[str, Any] = json.loads(a.read_text(item, "report"))
    findings = [
        ReconcileReport(**finding | {"breaches": tuple(finding["breaches"])}) for finding in found.pop("findings")
    ]
    return Reconciliation(**found, findings=findings)
