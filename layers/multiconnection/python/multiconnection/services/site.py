"""What the public pages show: the price list, the state of the providers, and who runs the service."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from multiconnection.domain.errors import ModelNotFound

from .catalog import CatalogService
from .listing import ListingService
from .onboarding import CreditMode

ProviderState = Literal["ok", "degraded", "down", "unknown"]


@dataclass(frozen=True, slots=True)
class SiteConfig:
    """`public_base_url` ends in /v1; without one the visitor's own host is shown.

    `upload_origin` is the origin of the payload bucket, which the console may send receipts to.
    """

    legal_entity: str
    test_credit_usd: str
    public_base_url: str | None = None
    upload_origin: str | None = None
    test_credit_mode: CreditMode = "automatic"


class ProviderStates(Protocol):
    async def states(self) -> Mapping[str, ProviderState]:
        """By name of the provider; one that nothing is known about may be missing."""


@dataclass(frozen=True, slots=True)
class ProviderStatus:
    """One configured provider; `models` are the ids it serves."""

    name: str
    state: ProviderState
    models: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SiteService:
    config: SiteConfig
    catalog: CatalogService
    listing: ListingService
    provider_states: ProviderStates

    async def models(self) -> list[dict[str, Any]]:
        """The public price list, as in /api/models."""
        return await self.listing.price_list()

    async def model(self, name: str) -> dict[str, Any]:
        """By id or alias. Raises ModelNotFound."""
        for model in await self.models():
            if name == model["id"] or name in model["aliases"]:
                return model
        raise ModelNotFound(f"The model `{name[:128]}` does not exist.", param="model")

    async def status(self) -> list[ProviderStatus]:
        """Every provider that serves a model, by name."""
        served: dict[str, list[str]] = {}
        for model in await self.catalog.served():
            for name in dict.fromkeys(ref.provider for ref in self.catalog.upstreams(model)):
                served.setdefault(name, []).append(model.id)
        states = await self.provider_states.states()
        return [ProviderStatus(name, states.get(name, "unknown"), tuple(served[name])) for name in sorted(served)]
