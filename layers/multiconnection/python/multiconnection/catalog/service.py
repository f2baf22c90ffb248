"""The catalog as this process knows it: one query a minute, and a stale copy rather than an outage."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from cachetools import LRUCache

from multiconnection.errors import LedgerUnavailable, ModelNotFound, NoAvailableUpstream
from multiconnection.keys.models import ApiKey
from multiconnection.ledger.models import UsageRow
from multiconnection.money import BASIS_POINTS
from multiconnection.ports import Alarms, Clock
from multiconnection.retry import StoreError

from .models import Catalog, CatalogError, Model, Switches, UpstreamRef
from .provider import Provider


class ModelSource(Protocol):
    async def models(self) -> list[Model]:
        """Every enabled model at its current price version."""


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


# The model list: OpenAI's shape for API callers, and the public price list.


@dataclass(frozen=True, slots=True)
class ListingService:
    """Prices are shown as they are charged: with the markup."""

    catalog: CatalogService
    markup_basis_points: int

    async def models(self, api_key: ApiKey) -> list[dict[str, Any]]:
        """The models this key may use, as OpenAI lists them."""
        return [self.model_object(model) for model in await self.catalog.served() if api_key.allows_model(model.id)]

    async def model(self, api_key: ApiKey, name: str) -> dict[str, Any]:
        """Raises ModelNotFound, also for a model that this key may not use."""
        model = await self.catalog.find(name)
        if not api_key.allows_model(model.id):
            raise ModelNotFound(
                f"The model `{name[:128]}` does not exist or you do not have access to it.", param="model"
            )
        return self.model_object(model)

    async def price_list(self) -> list[dict[str, Any]]:
        """Every served model with prices in USD; units are named in the route's answer."""
        return [self._priced(model) for model in await self.catalog.served()]

    def model_object(self, model: Model) -> dict[str, Any]:
        return {
            "id": model.id,
            "object": "model",
            "created": model.created_s,
            "owned_by": model.owned_by,
            "name": model.name,
            "kind": model.kind,
            "context_length": model.context_window or None,
            "max_output_tokens": model.max_output_tokens or None,
            "capabilities": list(model.capabilities),
            "pricing": self._marked_up(model.quoted),
            **self._long_prompts(model),
        }

    def _priced(self, model: Model) -> dict[str, Any]:
        return {
            "id": model.id,
            "name": model.name,
            "aliases": list(model.aliases),
            "owned_by": model.owned_by,
            "kind": model.kind,
            "created": model.created_s,
            "context_window": model.context_window or None,
            "max_output_tokens": model.max_output_tokens or None,
            "capabilities": list(model.capabilities),
            "price_version": model.price_version,
            "prices": self._marked_up(model.quoted),
            **self._long_prompts(model),
        }

    def _long_prompts(self, model: Model) -> dict[str, Any]:
        """Only where a long prompt makes the whole call dearer."""
        long = model.long_context
        if long is None:
            return {}
        return {"long_context": {"above_input_tokens": long.above_input_tokens, "prices": self._marked_up(long.quoted)}}

    def _marked_up(self, quoted: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: self._marked_up(price) if isinstance(price, Mapping) else self._with_markup(price)
            for name, price in quoted.items()
        }

    def _with_markup(self, price: str) -> str:
        if not self.markup_basis_points:
            return price
        exact = Decimal(price) * (BASIS_POINTS + self.markup_basis_points) / BASIS_POINTS
        return f"{exact.normalize():f}"


# The models as they were priced when calls were made: immutable, so each version is read once per process.

VERSIONS_MAX = 1000
Version = tuple[str, int]


class PriceVersions(Protocol):
    async def version(self, model_id: str, price_version: int) -> Model | None:
        """Raises StoreError or CatalogError."""


class PriceBook:
    """One per process."""

    def __init__(self, source: PriceVersions) -> None:
        self._source = source
        self._known: LRUCache[Version, Model] = LRUCache(VERSIONS_MAX)

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
            self._known[version] = model
        return model


def version_of(row: UsageRow) -> Version:
    return row.model, row.price_version
