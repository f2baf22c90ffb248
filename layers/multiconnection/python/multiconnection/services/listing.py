"""The model list: OpenAI's shape for API callers, and the public price list."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from multiconnection.domain.api_keys import ApiKey
from multiconnection.domain.catalog import Model
from multiconnection.domain.errors import ModelNotFound
from multiconnection.domain.money import BASIS_POINTS

from .catalog import CatalogService


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
