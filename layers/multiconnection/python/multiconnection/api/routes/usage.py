"""GET /v1/usage/{request_id} and GET /v1/balance: what a call cost, and what is left."""

from typing import Any

from fastapi import APIRouter

from multiconnection.api.dependencies import CallerDep, ContainerDep
from multiconnection.domain.ids import request_id_of
from multiconnection.domain.money import nano_to_usd
from multiconnection.ledger.accounts import UsageRow

router = APIRouter()


@router.get("/v1/usage/{request_id}")
async def retrieve_usage(request_id: str, services: ContainerDep, caller: CallerDep) -> dict[str, Any]:
    """The caller's own usage row of one call, by the `x-request-id` of its answer."""
    return usage_object(await services.usage.row(caller.account_id, request_id))


@router.get("/v1/balance")
async def retrieve_balance(services: ContainerDep, caller: CallerDep) -> dict[str, Any]:
    """Two figures, never one: what can be spent now, and what calls in flight have set aside."""
    account = await services.usage.account(caller.account_id)
    return {
        "object": "balance",
        "currency": "USD",
        "available": nano_to_usd(account.available),
        "in_flight": nano_to_usd(account.held),
    }


def usage_object(row: UsageRow) -> dict[str, Any]:
    """A usage row on the wire; money as decimal strings in USD, to the nano-dollar."""
    return {
        "object": "usage",
        "request_id": request_id_of(row.hold_id),
        "model": row.model,
        "usage": row.usage.as_openai(),
        "cost": nano_to_usd(row.cost),
        "currency": "USD",
        "price_version": row.price_version,
        "ended": row.ended.value,
        "usage_source": row.usage_source.value,
        "created": row.created_ms // 1000,
        "key_id": row.key_id,
        "provider": row.provider or None,
        "attempts": row.attempts,
        "streamed": row.streamed,
        "duration_ms": row.duration_ms,
        "endpoint": row.endpoint or None,
        "overrun": nano_to_usd(row.overrun),
    }
