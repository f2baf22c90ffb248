"""The models as they were priced when calls were made: immutable, so each version is read once per process."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Protocol

from multiconnection.domain.catalog import CatalogError, Model
from multiconnection.ledger.accounts import UsageRow

from .bounded import Bounded

VERSIONS_MAX = 1000

Version = tuple[str, int]


class PriceVersions(Protocol):
    async def version(self, model_id: str, price_version: int) -> Model | None:
        """Raises StoreError or CatalogError."""


class PriceBook:
    """One per process."""

    def __init__(self, source: PriceVersions) -> None:
        self._source = source
        self._known: Bounded[Version, Model] = Bounded(VERSIONS_MAX)

    async def of(self, rows: Iterable[UsageRow]) -> Mapping[Version, Model]:
        """The models of these rows; one that nobody can read any more is missing. Raises StoreError."""
        versions = list({version_of(row) for row in rows})
        found = await asyncio.gather(*(self._model(version) for version in versions))
        return {version: model for version, model in zip(versions, found, strict=True) if model is not None}

    async def _model(self, version: Version) -> Model | None:
        if (known := self._known.get(version)) is not None:
            return known
        try:
            model = await self._source.version(*version)
        except CatalogError:
            return None
        if model is not None:
            self._known.put(version, model)
        return model


def version_of(row: UsageRow) -> Version:
    return row.model, row.price_version
