"""The catalog as this process knows it: one query a minute, and a stale copy rather than an outage."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from multiconnection.domain.catalog import Catalog, CatalogError, Model, UpstreamRef
from multiconnection.domain.errors import LedgerUnavailable, ModelNotFound
from multiconnection.domain.ports import Clock
from multiconnection.domain.provider import Provider
from multiconnection.ledger.store import Alarms, StoreError


class ModelSource(Protocol):
    async def models(self) -> list[Model]:
        """Every enabled model at its current price version."""


async def never_changing() -> None:
    """Providers that are fixed need no refreshing."""


class CatalogService:
    """Models that can be served by a configured provider, and their upstreams in order."""

    def __init__(
        self,
        source: ModelSource,
        providers: Mapping[str, Provider],
        clock: Clock,
        alarms: Alarms,
        cache_s: float,
        refresh_providers: Callable[[], Awaitable[None]] = never_changing,
    ) -> None:
        self._source = source
        self._providers = providers
        self._clock = clock
        self._alarms = alarms
        self._cache_s = cache_s
        self._refresh_providers = refresh_providers
        self._catalog: Catalog | None = None
        self._fresh_until = 0.0
        self._loading = asyncio.Lock()

    async def catalog(self) -> Catalog:
        """Raises LedgerUnavailable when there has never been a readable catalog."""
        if self._catalog is None or self._clock.now() >= self._fresh_until:
            async with self._loading:
                if self._catalog is None or self._clock.now() >= self._fresh_until:
                    await self._load()
        if self._catalog is None:
            raise LedgerUnavailable("The model catalog cannot be read at the moment.", retry_after_s=2)
        return self._catalog

    async def find(self, name: str) -> Model:
        """Raises ModelNotFound, also for a model that no configured provider serves."""
        await self._refresh_providers()
        model = (await self.catalog()).by_name.get(name)
        if model is None or not self.upstreams(model):
            raise ModelNotFound(
                f"The model `{name[:128]}` does not exist or you do not have access to it.", param="model"
            )
        return model

    async def served(self) -> list[Model]:
        await self._refresh_providers()
        return [model for model in (await self.catalog()).models if self.upstreams(model)]

    def upstreams(self, model: Model) -> tuple[UpstreamRef, ...]:
        return model.only(self._providers)

    def provider(self, name: str) -> Provider:
        return self._providers[name]

    async def model_name(self, code: str) -> str:
        """The id behind a packed hold's code; the code itself when the catalog cannot tell."""
        try:
            known = (await self.catalog()).by_code.get(code)
        except LedgerUnavailable:
            return code
        return known.id if known else code

    async def _load(self) -> None:
        try:
            self._catalog = Catalog.of(await self._source.models())
        except (StoreError, CatalogError) as exc:
            self._alarms.alarm("catalog_unreadable", error=str(exc))
            self._fresh_until = self._clock.now() + 1
        else:
            self._fresh_until = self._clock.now() + self._cache_s
