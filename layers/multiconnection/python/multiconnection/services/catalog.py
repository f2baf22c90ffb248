"""The catalog as this process knows it: one query a minute, and a stale copy rather than an outage."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from multiconnection.domain.catalog import Catalog, CatalogError, Model, UpstreamRef
from multiconnection.domain.errors import LedgerUnavailable, ModelNotFound, NoAvailableUpstream
from multiconnection.domain.ports import Clock
from multiconnection.domain.provider import Provider
from multiconnection.ledger.store import Alarms, StoreError


class ModelSource(Protocol):
    async def models(self) -> list[Model]:
        """Every enabled model at its current price version."""


@dataclass(frozen=True, slots=True)
class Switches:
    """What the operator has taken out of service.

    `disabled_models`: code → id, as calls that began before still have to be named.
    """

    providers_off: frozenset[str] = frozenset()
    disabled_models: Mapping[str, str] = field(default_factory=dict)


class SwitchSource(Protocol):
    async def switches(self) -> Switches:
        """Raises StoreError."""


class AllOn:
    """Where there are no switches: implements `SwitchSource`."""

    async def switches(self) -> Switches:
        return Switches()


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
        switch_source: SwitchSource | None = None,
    ) -> None:
        self._source = source
        self._providers = providers
        self._clock = clock
        self._alarms = alarms
        self._cache_s = cache_s
        self._refresh_providers = refresh_providers
        self._switch_source = switch_source or AllOn()
        self._switches = Switches()
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
        """Raises ModelNotFound, also for a model that no configured provider serves.

        Raises NoAvailableUpstream where the operator has switched off every provider of a model.
        """
        await self._refresh_providers()
        model = (await self.catalog()).by_name.get(name)
        if model is None or not model.only(self._providers):
            raise ModelNotFound(
                f"The model `{name[:128]}` does not exist or you do not have access to it.", param="model"
            )
        if not self.upstreams(model):
            raise NoAvailableUpstream(f"`{model.id}` is out of service for now.", retry_after_s=self._cache_s)
        return model

    async def served(self) -> list[Model]:
        await self._refresh_providers()
        return [model for model in (await self.catalog()).models if self.upstreams(model)]

    def upstreams(self, model: Model) -> tuple[UpstreamRef, ...]:
        """In order: those that are configured and not switched off."""
        off = self._switches.providers_off
        refs = model.only(self._providers)
        return tuple(ref for ref in refs if ref.provider not in off) if off else refs

    def provider(self, name: str) -> Provider:
        return self._providers[name]

    async def model_name(self, code: str) -> str:
        """The id behind a packed hold's code; the code itself when the catalog cannot tell."""
        try:
            known = (await self.catalog()).by_code.get(code)
        except LedgerUnavailable:
            return code
        return known.id if known else self._switches.disabled_models.get(code, code)

    async def _load(self) -> None:
        try:
            models, switches = await asyncio.gather(self._source.models(), self._switch_source.switches())
            self._catalog, self._switches = Catalog.of(models), switches
        except (StoreError, CatalogError) as exc:
            self._alarms.alarm("catalog_unreadable", error=str(exc))
            self._fresh_until = self._clock.now() + 1
        else:
            self._fresh_until = self._clock.now() + self._cache_s
