"""/api/admin/models and /api/admin/providers: new price versions; models and providers in and out of service."""

from typing import Annotated

from fastapi import APIRouter, Request

from multiconnection.identity.browser import AdminDep, body_of, reason_of
from multiconnection.web.context import service
from multiconnection.web.openapi import Page, refuses, takes
from multiconnection.web.validation import MaybeReasonBody

from .admin import (
    AdminModels,
    AdminProviders,
    ModelRecord,
    PriceChange,
    ProviderRecord,
    difference_answer,
    quoted_prices,
)
from .models import PriceVersion
from .schemas import (
    AdminModelAnswer,
    PriceBody,
    PriceChangeAnswer,
    PriceVersionAnswer,
    ProviderAnswer,
    ProviderHealthAnswer,
)

ModelsDep = Annotated[AdminModels, service("models")]
ProvidersDep = Annotated[AdminProviders, service("providers")]
router = APIRouter(prefix="/api/admin", tags=["Admin"])


@router.get("/models", summary="List all models")
async def list_models(models: ModelsDep, admin: AdminDep) -> Page[AdminModelAnswer]:
    """Every model by id, disabled ones too."""
    return Page(data=[model_answer(record) for record in await models.list()])


@router.get("/models/{model_id:path}", summary="Retrieve a model with its price versions", responses=refuses(404))
async def retrieve_model(model_id: str, models: ModelsDep, admin: AdminDep) -> AdminModelAnswer:
    """Ids contain slashes."""
    return model_answer(await models.get(model_id))


@router.post(
    "/models/{model_id:path}/prices",
    summary="Publish a new price version",
    responses=refuses(404, 409),
    openapi_extra=takes(PriceBody),
)
async def change_prices(
    model_id: str, request: Request, models: ModelsDep, admin: AdminDep, dry_run: bool = False
) -> PriceChangeAnswer:
    """Versions are immutable; with `dry_run=true` the answer says what the new one would be."""
    body = await body_of(request, PriceBody)
    change = await (models.diff(model_id, body) if dry_run else models.publish(admin, model_id, body))
    return change_answer(change, dry_run=dry_run)


@router.post(
    "/models/{model_id:path}/enable",
    summary="Offer a model",
    responses=refuses(404, 409),
    openapi_extra=takes(MaybeReasonBody, required=False),
)
async def enable_model(model_id: str, request: Request, models: ModelsDep, admin: AdminDep) -> AdminModelAnswer:
    why = await reason_of(request)
    return model_answer(await models.set_enabled(admin, model_id, enabled=True, why=why))


@router.post(
    "/models/{model_id:path}/disable",
    summary="Stop offering a model",
    responses=refuses(404, 409),
    openapi_extra=takes(MaybeReasonBody, required=False),
)
async def disable_model(model_id: str, request: Request, models: ModelsDep, admin: AdminDep) -> AdminModelAnswer:
    """Running calls are settled at their own version."""
    why = await reason_of(request)
    return model_answer(await models.set_enabled(admin, model_id, enabled=False, why=why))


@router.get("/providers", summary="List providers")
async def list_providers(providers: ProvidersDep, admin: AdminDep) -> Page[ProviderAnswer]:
    """`health` is that of the last quarter of an hour."""
    return Page(data=[provider_answer(record) for record in await providers.list()])


@router.post(
    "/providers/{name}/enable",
    summary="Use a provider",
    responses=refuses(404, 409),
    openapi_extra=takes(MaybeReasonBody, required=False),
)
async def enable_provider(name: str, request: Request, providers: ProvidersDep, admin: AdminDep) -> ProviderAnswer:
    why = await reason_of(request)
    return provider_answer(await providers.set_enabled(admin, name, enabled=True, why=why))


@router.post(
    "/providers/{name}/disable",
    summary="Stop using a provider",
    responses=refuses(404, 409),
    openapi_extra=takes(MaybeReasonBody, required=False),
)
async def disable_provider(name: str, request: Request, providers: ProvidersDep, admin: AdminDep) -> ProviderAnswer:
    """New calls go elsewhere as soon as processes have read their catalog again; running calls go on."""
    why = await reason_of(request)
    return provider_answer(await providers.set_enabled(admin, name, enabled=False, why=why))


def model_answer(record: ModelRecord) -> AdminModelAnswer:
    head, entry = record.head, record.head.entry
    return AdminModelAnswer(
        id=entry["id"],
        name=entry["name"],
        kind=entry["kind"],
        owned_by=entry["owned_by"],
        aliases=list(entry.get("aliases", ())),
        enabled=head.enabled,
        price_version=head.price_version,
        prices=quoted_prices(entry),
        cost_prices=entry.get("cost_prices"),
        upstreams=entry["upstreams"],
        versions=[_version_answer(version) for version in record.versions],
    )


def change_answer(change: PriceChange, *, dry_run: bool) -> PriceChangeAnswer:
    return PriceChangeAnswer(
        dry_run=dry_run,
        model=change.entry["id"],
        version=change.entry["price_version"],
        prices=quoted_prices(change.entry),
        diff=[difference_answer(each) for each in change.differences],
        cost_diff=[difference_answer(each) for each in change.cost_differences],
        needs_confirmation=change.needs_confirmation,
    )


def provider_answer(record: ProviderRecord) -> ProviderAnswer:
    figures = record.health.figures
    return ProviderAnswer(
        name=record.name,
        configured=record.configured,
        enabled=record.enabled,
        health=ProviderHealthAnswer(
            state=record.health.state, answers=figures.answers, errors=figures.errors, p90_ms=figures.p90_ms
        ),
        models=record.models,
    )


def _version_answer(version: PriceVersion) -> PriceVersionAnswer:
    return PriceVersionAnswer(
        version=version.number,
        prices=quoted_prices(version.entry),
        cost_prices=version.entry.get("cost_prices"),
        created=version.created_s,
        created_by=version.created_by or None,
    )
