"""GET /v1/models and the public price list."""

from typing import Annotated, Any

from fastapi import APIRouter, Response

from multiconnection.keys.authenticate import CallerDep
from multiconnection.web.context import service

from .service import ListingService

ListingDep = Annotated[ListingService, service("listing")]


router = APIRouter()
PRICE_UNITS = {
    "input": "USD per 1M tokens",
    "cached_input": "USD per 1M tokens",
    "cache_write": "USD per 1M tokens",
    "output": "USD per 1M tokens",
    "input_audio": "USD per 1M tokens",
    "output_audio": "USD per 1M tokens",
    "input_image": "USD per 1M tokens",
    "output_image": "USD per 1M tokens",
    "characters": "USD per 1M characters",
    "seconds": "USD per second",
    "images": "USD per image, by size and quality; about, where a model has a price for image output tokens",
}
CACHE_S = 60


@router.get("/v1/models")
async def list_models(listing: ListingDep, caller: CallerDep) -> dict[str, Any]:
    """The models this key may use."""
    return {"object": "list", "data": await listing.models(caller.api_key)}


@router.get("/v1/models/{model:path}")
async def retrieve_model(model: str, listing: ListingDep, caller: CallerDep) -> dict[str, Any]:
    """One model; ids contain `/` and `:`, percent-encoded or raw."""
    return await listing.model(caller.api_key, model)


@router.get("/api/models")
async def price_list(listing: ListingDep, response: Response) -> dict[str, Any]:
    """Public: every model with prices, context window and capabilities."""
    response.headers["cache-control"] = f"public, max-age={CACHE_S}"
    return {
        "object": "list",
        "currency": "USD",
        "units": PRICE_UNITS,
        "data": await listing.price_list(),
    }
