"""/api/admin/providers: how the providers are doing, and their switches."""

from typing import Any

from fastapi import APIRouter, Request

from multiconnection.api.admin_services import AdminServicesDep
from multiconnection.api.console import list_object
from multiconnection.api.session import AdminDep
from multiconnection.services.admin_providers import ProviderRecord

from .admin_models import reason_of

router = APIRouter()


@router.get("/api/admin/providers")
async def list_providers(services: AdminServicesDep, admin: AdminDep) -> dict[str, Any]:
    """`health` is that of the last quarter of an hour."""
    return list_object([provider_object(record) for record in await services.admin.providers.list()])


@router.post("/api/admin/providers/{name}/enable")
async def enable_provider(name: str, request: Request, services: AdminServicesDep, admin: AdminDep) -> dict[str, Any]:
    why = await reason_of(request)
    return provider_object(await services.admin.providers.set_enabled(admin, name, enabled=True, why=why))


@router.post("/api/admin/providers/{name}/disable")
async def disable_provider(name: str, request: Request, services: AdminServicesDep, admin: AdminDep) -> dict[str, Any]:
    """New calls go elsewhere within the time that processes keep the catalog; calls that run go on."""
    why = await reason_of(request)
    return provider_object(await services.admin.providers.set_enabled(admin, name, enabled=False, why=why))


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
