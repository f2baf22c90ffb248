"""/v1/models, and the public price list."""

from typing import Annotated

from fastapi import APIRouter, Response

from multiconnection.keys.authenticate import CallerDep
from multiconnection.web.context import service
from multiconnection.web.openapi import refuses

from .schemas import ModelAnswer, ModelListAnswer, PriceListAnswer
from .service import ListingService

CACHE_S = 60

ListingDep = Annotated[ListingService, service("listing")]
router = APIRouter()


@router.get("/v1/models", summary="List the models of this key", tags=["Models"])
async def list_models(listing: ListingDep, caller: CallerDep) -> ModelListAnswer:
    """The models that this key may use."""
    return ModelListAnswer(data=await listing.models(caller.api_key))


@router.get("/v1/models/{model:path}", summary="Retrieve a model", tags=["Models"], responses=refuses(404))
async def retrieve_model(model: str, listing: ListingDep, caller: CallerDep) -> ModelAnswer:
    """The model by its id or an alias; ids contain `/` and `:`, percent-encoded or raw."""
    return await listing.model(caller.api_key, model)


@router.get("/api/models", summary="List models and prices", tags=["Public"])
async def price_list(listing: ListingDep, response: Response) -> PriceListAnswer:
    """Every model with prices, context window and capabilities."""
    response.headers["cache-control"] = f"public, max-age={CACHE_S}"
    return PriceListAnswer(data=await listing.price_list())
