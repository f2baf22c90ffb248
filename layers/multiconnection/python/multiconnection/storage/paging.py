"""Every item of a Query or Scan, page after page."""

from collections.abc import AsyncIterator, Mapping
from itertools import count
from typing import Any

from .driver import Driver, Item


async def items(
    driver: Driver, operation: str, request: Mapping[str, Any], pages_max: int | None = None
) -> AsyncIterator[Item]:
    """`operation` is "Query" or "Scan"; the next page is asked for only when the last one is used up.

    Without `pages_max` the table's own size is the bound: the ledger must see every row.
    """
    payload = dict(request)
    for _ in count() if pages_max is None else range(pages_max):
        page = await driver.call(operation, payload)
        for item in page.get("Items", ()):
            yield item
        if not page.get("LastEvaluatedKey"):
            return
        payload["ExclusiveStartKey"] = page["LastEvaluatedKey"]
