"""/api/admin/accounts: find an account, look at it, suspend and resume it."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from multiconnection.api.admin_services import AdminServicesDep
from multiconnection.api.console import LIMIT, LimitQuery, body_of, list_object
from multiconnection.api.session import AdminDep
from multiconnection.domain.api_keys import PREFIX, ApiKey
from multiconnection.domain.money import nano_to_usd
from multiconnection.schemas.admin import ReasonBody
from multiconnection.services.admin_accounts import AccountDossier, AccountRecord

from .admin_models import reason_of
from .console_balance import credit_object
from .orders import order_object

router = APIRouter()
QueryText = Annotated[str, Query(max_length=254)]
# The identity provider's own cursors are long.
LongCursorQuery = Annotated[str | None, Query(max_length=4096)]


@router.get("/api/admin/accounts")
async def list_accounts(
    services: AdminServicesDep,
    admin: AdminDep,
    query: QueryText = "",
    limit: LimitQuery = LIMIT,
    cursor: LongCursorQuery = None,
    awaiting: bool = False,
) -> dict[str, Any]:
    """`query` is an account id or the beginning of an e-mail address. Pages can be short and have a next one.

    Without one, `awaiting` lists the accounts that wait for a test credit.
    """
    page = await services.admin.accounts.search(query.strip(), limit, cursor, awaiting=awaiting)
    return list_object([account_object(record) for record in page.records], page.after)


@router.get("/api/admin/accounts/{account_id}")
async def retrieve_account(account_id: str, services: AdminServicesDep, admin: AdminDep) -> dict[str, Any]:
    return dossier_object(await services.admin.accounts.dossier(account_id))


@router.post("/api/admin/accounts/{account_id}/suspend")
async def suspend_account(
    account_id: str, request: Request, services: AdminServicesDep, admin: AdminDep
) -> dict[str, Any]:
    """The next call is refused; calls that run are settled."""
    body = await body_of(request, ReasonBody)
    return account_object(await services.admin.accounts.suspend(admin, account_id, body.reason))


@router.post("/api/admin/accounts/{account_id}/resume")
async def resume_account(
    account_id: str, request: Request, services: AdminServicesDep, admin: AdminDep
) -> dict[str, Any]:
    body = await body_of(request, ReasonBody)
    return account_object(await services.admin.accounts.resume(admin, account_id, body.reason))


@router.post("/api/admin/accounts/{account_id}/test-credit")
async def grant_test_credit(
    account_id: str, request: Request, services: AdminServicesDep, admin: AdminDep
) -> dict[str, Any]:
    """Once, to an account that waits for it; sent again, it finds it granted."""
    why = await reason_of(request)
    return account_object(await services.admin.accounts.grant_test_credit(admin, account_id, why))


def account_object(record: AccountRecord) -> dict[str, Any]:
    image = record.image
    return {
        "object": "account",
        "id": image.account_id,
        "email": record.email or None,
        "name": image.name,
        "status": image.status,
        "available": nano_to_usd(image.available),
        "in_flight": nano_to_usd(image.held),
        "credits_in": nano_to_usd(image.credits_in),
        "charged": nano_to_usd(image.charged),
        "created": image.created_s,
        "test_credit": record.withheld,
    }


def dossier_object(dossier: AccountDossier) -> dict[str, Any]:
    return {
        **account_object(dossier.record),
        "live_calls": dossier.record.image.live_holds,
        "keys": [key_object(key) for key in dossier.keys],
        "orders": [order_object(order) for order in dossier.orders],
        "credits": [credit_object(row) for row in dossier.credits],
    }


def key_object(key: ApiKey) -> dict[str, Any]:
    """A key as its record has it: what it was used for is its owner's to see."""
    return {
        "id": key.public_id,
        "name": key.name,
        "prefix": f"{PREFIX}…",
        "last4": key.last4,
        "created": key.created_s,
        "status": key.status,
        "expires_at": key.expires_s,
        "budget": None if key.budget_nano is None else nano_to_usd(key.budget_nano),
        "kind": key.kind,
    }
