"""The catalog as a process knows it, the lists of models and prices, and the models that past calls were priced by."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from cachetools import LRUCache

from multiconnection.errors import LedgerUnavailable, ModelNotFound, NoAvailableUpstream
from multiconnection.keys.models import ApiKey
from multiconnection.ledger.models import UsageRow
from multiconnection.ports import Alarms, Clock
from multiconnection.retry import StoreError

from .models import Catalog, CatalogError, Entry, Model, Provider, Switches, UpstreamRef, parse_model
from .schemas import ModelAnswer, PricedModelAnswer
from .store import CatalogTable

VERSIONS_MAX = 1000
# A shared cool-down lasts no longer, whatever stands in the table: as long as the longest of a single process.
COOL_DOWN_MAX_S = 60.0
# Shorter ones are over before most processes would read them.
COOL_DOWN_SHARED_MIN_S = 10.0
# Clocks of Lambda differ by milliseconds; a value that is further ahead than this comes from a wrong one.
CLOCK_SKEW_S = 5.0
# Bounds the reading of the catalog for cool-downs that end.
RELOAD_MIN_S = 5.0
SHARE_TIMEOUT_S = 2.0
log = logging.getLogger(__name__)
Version = tuple[str, int]
"""A model's id and price version."""


class CatalogSource(Protocol):
    """`CatalogTable`, or models in memory."""

    async def models(self) -> list[Model]:
        """Every enabled model at its current price version. Raises StoreError or CatalogError."""

    async def switches(self) -> Switches:
        """Raises StoreError."""

    async def cool_downs(self) -> Mapping[UpstreamRef, float]:
        """Return the cool-downs of all processes, unchecked, in seconds since the epoch. Never raises."""

    async def share_cool_down(self, upstream: UpstreamRef, until_s: float, latest_s: float) -> bool:
        """Raises StoreError."""


class CoolDowns:
    """Upstreams that failed lately: those that this process saw fail, and those that other processes shared.

    A cool-down only puts an upstream behind the others of a model: one that is alone is tried as ever.
    """

    def __init__(self, source: CatalogSource, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._own: dict[UpstreamRef, float] = {}
        self._written: dict[UpstreamRef, float] = {}
        self._sharing: set[asyncio.Task[None]] = set()
        self.shared: Mapping[UpstreamRef, float] = {}
        self.unreachable: set[str] = set()
        """Providers to which this process could not connect at its last attempt."""

    def active(self, upstreams: Iterable[UpstreamRef]) -> Collection[UpstreamRef]:
        """Return the upstreams that are cooling down; most processes know of none and need not look."""
        if not self._own and not self.shared:
            return ()
        now_s = self._clock.now()
        return {ref for ref in upstreams if max(self._until_s(ref), self._until_s(ref.whole_provider)) > now_s}

    def begin(self, upstream: UpstreamRef, cool_down_s: float, *, unreachable: bool) -> None:
        """Note a failure. What it says about the provider, and not only about one request, is shared.

        A provider says itself that it refuses our key or that a limit is used up for a while. That it cannot be reached
        may be the fault of this process's network: it is shared after the second time in a row, for a minute.
        """
        now_s = self._clock.now()
        if cool_down_s:
            self._own[upstream] = now_s + cool_down_s
        if not unreachable:
            self.unreachable.discard(upstream.provider)
            if cool_down_s >= COOL_DOWN_SHARED_MIN_S:
                self._share(upstream, now_s + min(cool_down_s, COOL_DOWN_MAX_S))
        elif upstream.provider in self.unreachable:
            self._share(upstream.whole_provider, now_s + COOL_DOWN_MAX_S)
        else:
            self.unreachable.add(upstream.provider)

    def adopt(self, found: Mapping[UpstreamRef, float]) -> float:
        """Take over what others have shared; the seconds since the epoch at which it has to be read again."""
        now_s = self._clock.now()
        latest_s = now_s + COOL_DOWN_MAX_S
        self.shared = {
            ref: min(until_s, latest_s) for ref, until_s in found.items() if now_s < until_s <= latest_s + CLOCK_SKEW_S
        }
        # At its end the first process that tries again may have shared it anew.
        return max(min(self.shared.values(), default=latest_s), now_s + RELOAD_MIN_S)

    async def aclose(self) -> None:
        for task in self._sharing:
            task.cancel()
        await asyncio.gather(*self._sharing, return_exceptions=True)

    def _until_s(self, upstream: UpstreamRef) -> float:
        return max(self._own.get(upstream, 0.0), self.shared.get(upstream, 0.0))

    def _share(self, upstream: UpstreamRef, until_s: float) -> None:
        """Written beside the call, which waits for nothing, and only when no shared one is known to last."""
        known_s = max(self._written.get(upstream, 0.0), self.shared.get(upstream, 0.0))
        if known_s > self._clock.now():
            return
        self._own[upstream] = self._written[upstream] = until_s
        task = asyncio.create_task(self._write(upstream, until_s))
        self._sharing.add(task)
        task.add_done_callback(self._sharing.discard)

    async def _write(self, upstream: UpstreamRef, until_s: float) -> None:
        named = {"provider": upstream.provider, "upstream_model": upstream.model or "*"}
        latest_s = self._clock.now() + COOL_DOWN_MAX_S + CLOCK_SKEW_S
        try:
            async with asyncio.timeout(SHARE_TIMEOUT_S):
                if await self._source.share_cool_down(upstream, until_s, latest_s):
                    log.warning("cool_down_shared", extra=named)
        except (StoreError, TimeoutError) as exc:
            log.warning("cool_down_not_shared", extra={**named, "error": type(exc).__name__})


async def never_changing() -> None:
    """`refresh_providers` of providers that are fixed."""


class CatalogService:
    """Models that a configured provider serves, and their upstreams in order.

    Three queries per `cache_s`; while the table cannot be read, a stale copy is used.
    """

    def __init__(
        self,
        source: CatalogSource,
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
        self.cool_downs = CoolDowns(source, clock)
        self._switches = Switches()
        self._catalog: Catalog | None = None
        self._fresh_until = 0.0
        self._loading = asyncio.Lock()

    async def catalog(self) -> Catalog:
        """All enabled models. Raises LedgerUnavailable if none could ever be read."""
        if self._catalog is None or self._clock.now() >= self._fresh_until:
            async with self._loading:
                if self._catalog is None or self._clock.now() >= self._fresh_until:
                    await self._load()
        if self._catalog is None:
            raise LedgerUnavailable("The model catalog cannot be read at the moment.", retry_after_s=2)
        return self._catalog

    async def model_id(self, name: str) -> str | None:
        """The id of a model by its id or alias. Raises LedgerUnavailable."""
        model = (await self.catalog()).by_name.get(name)
        return model.id if model else None

    async def find(self, name: str) -> Model:
        """A model by id or alias.

        Raises ModelNotFound, also if no configured provider serves it, or NoAvailableUpstream if the operator has
        switched off all of its providers.
        """
        await self._refresh_providers()
        model = (await self.catalog()).by_name.get(name)
        if model is None or not model.only(self._providers):
            raise _not_found(name)
        if not self.upstreams(model):
            raise NoAvailableUpstream(f"`{model.id}` is out of service for now.", retry_after_s=self._cache_s)
        return model

    async def served(self) -> list[Model]:
        """Models that have an upstream now. Raises LedgerUnavailable or NoAvailableUpstream."""
        await self._refresh_providers()
        return [model for model in (await self.catalog()).models if self.upstreams(model)]

    def upstreams(self, model: Model) -> tuple[UpstreamRef, ...]:
        """The upstreams that are configured and enabled, in order of preference."""
        off = self._switches.providers_off
        refs = model.only(self._providers)
        return tuple(ref for ref in refs if ref.provider not in off) if off else refs

    def provider(self, name: str) -> Provider:
        return self._providers[name]

    async def model_name(self, code: str) -> str:
        """The id behind a packed hold's code, or the code itself if the catalog does not have it."""
        try:
            known = (await self.catalog()).by_code.get(code)
        except LedgerUnavailable:
            return code
        return known.id if known else self._switches.disabled_models.get(code, code)

    async def _load(self) -> None:
        try:
            source = self._source
            models, switches, cool = await asyncio.gather(source.models(), source.switches(), source.cool_downs())
            self._catalog, self._switches = Catalog.of(models), switches
        except (StoreError, CatalogError) as exc:
            self._alarms.alarm("catalog_unreadable", error=str(exc))
            self._fresh_until = self._clock.now() + 1
        else:
            self._fresh_until = self._clock.now() + self._cache_s
            if cool or self.cool_downs.shared:
                self._fresh_until = min(self._fresh_until, self.cool_downs.adopt(cool))


@dataclass(frozen=True, slots=True)
class ListingService:
    """Models as they are listed: for a key, and in the public price list. Prices include the markup."""

    catalog: CatalogService
    markup_basis_points: int

    async def models(self, api_key: ApiKey) -> list[ModelAnswer]:
        """The models that this key may use."""
        found = [model for model in await self.catalog.served() if api_key.allows_model(model.id)]
        return [ModelAnswer.of(model, self.markup_basis_points) for model in found]

    async def model(self, api_key: ApiKey, name: str) -> ModelAnswer:
        """Raises ModelNotFound, also for a model that this key may not use."""
        model = await self.catalog.find(name)
        if not api_key.allows_model(model.id):
            raise _not_found(name)
        return ModelAnswer.of(model, self.markup_basis_points)

    async def price_list(self) -> list[PricedModelAnswer]:
        """Every served model."""
        return [PricedModelAnswer.of(model, self.markup_basis_points) for model in await self.catalog.served()]


class PriceBook:
    """Models at the price versions that calls were charged at. A version never changes: a process reads each once."""

    def __init__(self, table: CatalogTable, parse: Callable[[Entry], Model] = parse_model) -> None:
        """`parse_costs` instead of `parse_model` gives the prices that we pay upstream."""
        self._table = table
        self._parse = parse
        self._known: LRUCache[Version, Model] = LRUCache(VERSIONS_MAX)

    async def of(self, rows: Iterable[UsageRow]) -> Mapping[Version, Model]:
        """The models of these rows, without those that cannot be read any more. Raises StoreError."""
        versions = list({version_of(row) for row in rows})
        found = await asyncio.gather(*(self.model(version) for version in versions))
        return {version: model for version, model in zip(versions, found, strict=True) if model is not None}

    async def model(self, version: Version) -> Model | None:
        """The model at this version, None if it is missing or has no valid prices. Raises StoreError."""
        if (known := self._known.get(version)) is not None:
            return known
        entry = await self._table.version(*version)
        if entry is None:
            return None
        try:
            model = self._parse(entry)
        except CatalogError:
            return None
        self._known[version] = model
        return model


def version_of(row: UsageRow) -> Version:
    return row.model, row.price_version


def _not_found(name: str) -> ModelNotFound:
    return ModelNotFound(f"The model `{name[:128]}` does not exist or you do not have access to it.", param="model")
