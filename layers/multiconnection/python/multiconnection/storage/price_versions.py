"""Table Catalog read by version: what a model cost when a call was made."""

import json

from multiconnection.domain.catalog import Model, parse_model

from . import attributes as a
from .driver import Driver


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
