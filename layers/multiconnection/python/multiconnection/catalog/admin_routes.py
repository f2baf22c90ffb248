"""/api/admin/models: the whole catalog, new price versions, models in and out of service."""

from typing import Annotated, Any

from fastapi import APIRouter, Request

from multiconnection.identity.browser import AdminDep, body_of, list_object
from multiconnection.web.context import service
from multiconnection.web.validation import MaybeReasonBody

from .admin import (
    AdminModels,
    AdminProviders,
    ModelRecord,
    PriceChange,
    PriceWish,
    ProviderRecord,
    difference_object,
    prices_of,
)
from .models import Head, PriceVersion
from .schemas import PriceBody

ModelsDep = Annotated[AdminModels, service("models")]
ProvidersDep = Annotated[AdminProviders, service("providers")]

router = APIRouter()


@router.get("/api/admin/models")
async def list_models(models: ModelsDep, admin: AdminDep) -> dict[str, Any]:
    """All of them by id, disabled ones too; prices are the catalog's, without markup."""
    return list_object([model_object(record) for record in await models.list()])


# Ids of models have slashes in them.
@router.get("/api/admin/models/{model_id:path}")
async def retrieve_model(model_id: str, models: ModelsDep, admin: AdminDep) -> dict[str, Any]:
    return model_object(await models.get(model_id))


@router.post("/api/admin/models/{model_id:path}/prices")
async def change_prices(
    model_id: str, request: Request, models: ModelsDep, admin: AdminDep, dry_run: bool = False
) -> dict[str, Any]:
    """A new immutable version; `dry_run` only tells what it would be."""
    wish = wish_of(await body_of(request, PriceBody))
    change = await (models.diff(model_id, wish) if dry_run else models.publish(admin, model_id, wish))
    return change_object(change, dry_run=dry_run)


@router.post("/api/admin/models/{model_id:path}/enable")
async def enable_model(model_id: str, request: Request, models: ModelsDep, admin: AdminDep) -> dict[str, Any]:
    why = await reason_of(request)
    return model_object(await models.set_enabled(admin, model_id, enabled=True, why=why))


@router.post("/api/admin/models/{model_id:path}/disable")
async def disable_model(model_id: str, request: Request, models: ModelsDep, admin: AdminDep) -> dict[str, Any]:
    """Calls that run are settled at their own version."""
    why = await reason_of(request)
    return model_object(await models.set_enabled(admin, model_id, enabled=False, why=why))


async def reason_of(request: Request) -> str:
    """The reason, where a body says one."""
    if not await request.body():
        return ""
    return (await body_of(request, MaybeReasonBody)).reason


def wish_of(body: PriceBody) -> PriceWish:
    return PriceWish(body.prices, body.base_version, body.cost_prices, body.confirm, body.reason)


def change_object(change: PriceChange, *, dry_run: bool) -> dict[str, Any]:
    return {
        "object": "price_change",
        "dry_run": dry_run,
        "model": change.entry["id"],
        "version": change.entry["price_version"],
        "prices": prices_of(change.entry),
        "diff": [difference_object(each) for each in change.differences],
        "cost_diff": [difference_object(each) for each in change.cost_differences],
        "needs_confirmation": change.needs_confirmation,
    }


def model_object(record: ModelRecord) -> dict[str, Any]:
    return _head_object(record.head) | {"versions": [_version_object(version) for version in record.versions]}


def _head_object(head: Head) -> dict[str, Any]:
    entry = head.entry
    return {
        "object": "model",
        "id": entry["id"],
        "name": entry["name"],
        "kind": entry["kind"],
        "owned_by": entry["owned_by"],
        "aliases": list(entry.get("aliases", ())),
        "enabled": head.enabled,
        "price_version": head.price_version,
        "prices": prices_of(entry),
        "cost_prices": entry.get("cost_prices"),
        "upstreams": entry["upstreams"],
    }


def _version_object(version: PriceVersion) -> dict[str, Any]:
    """Versions that a file published know no time and no author."""
    return {
        "version": version.number,
        "prices": prices_of(version.entry),
        "cost_prices": version.entry.get("cost_prices"),
        "created": version.created_s,
        "created_by": version.created_by or None,
    }


# /api/admin/providers: how the providers are doing, and their switches.


@router.get("/api/admin/providers")
async def list_providers(providers: ProvidersDep, admin: AdminDep) -> dict[str, Any]:
    """`health` is that of the last quarter of an hour."""
    return list_object([provider_object(record) for record in await providers.list()])


@router.post("/api/admin/providers/{name}/enable")
async def enable_provider(name: str, request: Request, providers: ProvidersDep, admin: AdminDep) -> dict[str, Any]:
    why = await reason_of(request)
    return provider_object(await providers.set_enabled(admin, name, enabled=True, why=why))


@router.post("/api/admin/providers/{name}/disable")
async def disable_provider(name: str, request: Request, providers: ProvidersDep, admin: AdminDep) -> dict[str, Any]:
    """New calls go elsewhere within the time that processes keep the catalog; calls that run go on."""
    why = await reason_of(request)
    return provider_object(await providers.set_enabled(admin, name, enabled=False, why=why))


def provider_object(record: ProviderRecord) -> dict[str, Any]:
    figures = record.health.figures
    return {
        "object": "provider",
        "name": record.name,
        "configured": record.configured,
        "enabled": record.enabled,
        "health": {
            "state": record.health.state,
            "answers": figures.answers,
            "errors": figures.errors,
            "p90_ms": figures.p90_ms,
        },
        "models": record.models,
    }
