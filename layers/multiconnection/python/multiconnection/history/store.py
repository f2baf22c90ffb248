"""Table Usage read by time: one account's rows, newest first. Ids begin with the second in which a call arrived."""

from collections.abc import Mapping
from typing import Any

from multiconnection.aws import dynamo as a
from multiconnection.aws.dynamo import Driver, Item
from multiconnection.ids import id_bound
from multiconnection.ledger import items as ledger_items
from multiconnection.ledger.models import UsageRow
from multiconnection.usage import USAGE_COUNTS, Usage

from .models import Batch, CallFigures, UsageFilter

# Attribute names are written as placeholders: any word can become a reserved one.
_FIGURES = {
    "#id": "request_id",
    "#model": "model",
    "#key": "key_id",
    "#secret": "secret",
    "#cost": "cost",
    "#usage": "usage",
}
_FILTERS = {"model": "#model", "key_id": "#key", "ended": "#ended"}
_NAMES = {**_FIGURES, "#ended": "ended"}


class UsageHistoryTable:
    """One Query per method; all raise StoreError."""

    def __init__(self, driver: Driver, table: str) -> None:
        self._driver = driver
        self._table = table

    async def rows(self, account_id: str, wanted: UsageFilter, after: str | None, limit: int) -> Batch[UsageRow]:
        """Strongly consistent; at most `limit` rows before the filter."""
        query = self._query(account_id, wanted, after) | {"Limit": limit, "ConsistentRead": True}
        return _rows(await self._driver.call("Query", query))

    async def bulk(self, account_id: str, wanted: UsageFilter, after: str | None) -> Batch[UsageRow]:
        """Eventually consistent; up to a megabyte."""
        return _rows(await self._driver.call("Query", self._query(account_id, wanted, after)))

    async def figures(self, account_id: str, wanted: UsageFilter, after: str | None, limit: int) -> Batch[CallFigures]:
        """Eventually consistent; at most `limit` rows, without what a summary does not need."""
        query = self._query(account_id, wanted, after) | {"Limit": limit, "ProjectionExpression": ", ".join(_FIGURES)}
        query["ExpressionAttributeNames"] = query.get("ExpressionAttributeNames", {}) | _FIGURES
        page = await self._driver.call("Query", query)
        return Batch([_figures(item) for item in page["Items"]], page["ScannedCount"], _after(page))

    def _query(self, account_id: str, wanted: UsageFilter, after: str | None) -> dict[str, Any]:
        query: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "account_id = :account AND request_id BETWEEN :since AND :until",
            "ExpressionAttributeValues": {
                ":account": a.text(account_id),
                # An id is longer than its bound, so the second `until_s` itself is outside.
                ":since": a.text(id_bound(wanted.since_s)),
                ":until": a.text(id_bound(wanted.until_s)),
            },
            "ScanIndexForward": False,
        }
        if after is not None:
            query["ExclusiveStartKey"] = ledger_items.usage_key(account_id, after)
        return query | _filter(query["ExpressionAttributeValues"], wanted)


def _filter(values: Item, wanted: UsageFilter) -> dict[str, Any]:
    chosen = {field: value for field in _FILTERS if (value := getattr(wanted, field)) is not None}
    if not chosen:
        return {}
    names = {_FILTERS[field]: _NAMES[_FILTERS[field]] for field in chosen}
    return {
        "FilterExpression": " AND ".join(f"{_FILTERS[field]} = :{field}" for field in chosen),
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values | {f":{field}": a.text(str(value)) for field, value in chosen.items()},
    }


def _rows(page: Mapping[str, Any]) -> Batch[UsageRow]:
    return Batch([ledger_items.parse_usage(item) for item in page["Items"]], page["ScannedCount"], _after(page))


def _figures(item: Item) -> CallFigures:
    counts: dict[str, Any] = {
        name: value for name, value in a.read_numbers(item, "usage").items() if name in USAGE_COUNTS
    }
    tokens = Usage(**counts)
    return CallFigures(
        hold_id=a.read_text(item, "request_id"),
        model=a.read_text(item, "model"),
        key_id=a.read_text(item, "key_id"),
        secret=a.read_text(item, "secret"),
        cost=a.read_number(item, "cost"),
        tokens_in=tokens.prompt_tokens,
        tokens_out=tokens.completion_tokens,
    )


def _after(page: Mapping[str, Any]) -> str | None:
    last = page.get("LastEvaluatedKey")
    return a.read_text(last, "request_id") if last else None
