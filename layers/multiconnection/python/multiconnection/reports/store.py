"""Table Reports: revenue by day, model and account as the daily roll-up writes it, and reconciliations."""

import json
from collections.abc import AsyncIterator
from dataclasses import asdict, fields
from typing import Any

from multiconnection.aws import dynamo as a
from multiconnection.aws.dynamo import Driver, Item, query_items
from multiconnection.ledger.reconcile import ReconcileReport

from .models import DayFigures, Grouping, Reconciliation, RevenueFigures

_RECONCILIATION = "reconciliation"
_FIGURES = tuple(field.name for field in fields(RevenueFigures))
# Epoch seconds sort as text until the year 2286.
_SECOND_DIGITS = 10


class ReportsTable:
    """Figures and reconciliations; each method raises StoreError."""

    def __init__(self, driver: Driver, table: str) -> None:
        self._driver = driver
        self._table = table

    async def put_day(self, day: str, figures: DayFigures) -> None:
        """May be repeated with other figures. The day itself is written last: where it is, its groups are whole."""
        for key, each in figures.models.items():
            await self._put_figures("model", f"{day}#{key}", each)
        for key, each in figures.accounts.items():
            await self._put_figures("account", f"{day}#{key}", each)
        await self._put_figures("day", f"{day}#{day}", figures.total)

    async def read(self, grouping: Grouping, first: str, last: str) -> AsyncIterator[tuple[str, str, RevenueFigures]]:
        """(day, name, figures) of the days from `first` to `last`."""
        query = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk AND sk BETWEEN :first AND :last",
            "ExpressionAttributeValues": {
                ":pk": a.text(f"revenue#{grouping}"),
                ":first": a.text(f"{first}#"),
                # The character after "#".
                ":last": a.text(f"{last}$"),
            },
        }
        async for item in query_items(self._driver, "Query", query):
            day, _, name = a.read_text(item, "sk").partition("#")
            yield day, name, RevenueFigures(*(a.read_number(item, figure) for figure in _FIGURES))

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

    async def _put_figures(self, grouping: Grouping, sort: str, figures: RevenueFigures) -> None:
        numbers = {figure: a.number(getattr(figures, figure)) for figure in _FIGURES}
        await self._put({"pk": a.text(f"revenue#{grouping}"), "sk": a.text(sort), **numbers})

    async def _put(self, item: Item) -> None:
        await self._driver.call("PutItem", {"TableName": self._table, "Item": item})


def _reconciliation(item: Item) -> Reconciliation:
    found: dict[str, Any] = json.loads(a.read_text(item, "report"))
    findings = [
        ReconcileReport(**finding | {"breaches": tuple(finding["breaches"])}) for finding in found.pop("findings")
    ]
    return Reconciliation(**found, findings=findings)
