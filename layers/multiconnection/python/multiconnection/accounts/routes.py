"""/api/account for the signed-in user, /api/admin/accounts for administrators."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from multiconnection.credits.routes import credit_object
from multiconnection.identity.browser import (
    LIMIT,
    ActiveAccessDep,
    AdminDep,
    LimitQuery,
    SessionDep,
    body_of,
    list_object,
    presented,
    reason_of,
    set_session,
    small_body_of,
)
from multiconnection.identity.models import Session
from multiconnection.identity.sessions import Sessions
from multiconnection.keys.models import PREFIX, ApiKey
from multiconnection.ledger.models import ACTIVE, SUSPENDED
from multiconnection.money import nano_to_usd
from multiconnection.orders.routes import order_object
from multiconnection.web.context import ContextDep, service
from multiconnection.web.validation import ReasonBody

from .admin import AdminAccounts
from .models import AccountDossier, AccountRecord, Overview
from .schemas import AccountBody
from .service import AccountService

AccountsDep = Annotated[AdminAccounts, service("accounts")]
AccountDep = Annotated[AccountService, service("account")]
SessionsDep = Annotated[Sessions, service("sessions")]

# The identity provider's own cursors are long.
LongCursorQuery = Annotated[str | None, Query(max_length=4096)]
QueryText = Annotated[str, Query(max_length=254)]

router = APIRouter()
admin_router = APIRouter()


@router.get("/api/account")
async def retrieve_account(account: AccountDep, session: SessionDep, context: ContextDep) -> dict[str, Any]:
    return account_object(session, await account.overview(session, context.ip))


@router.patch("/api/account")
async def update_account(
    request: Request, account: AccountDep, sessions: SessionsDep, access: ActiveAccessDep, context: ContextDep
) -> dict[str, Any]:
    """Change the name, in the session's cookie as well."""
    body = await small_body_of(request, AccountBody)
    await account.rename(access, body.name)
    fresh = await sessions.access(presented(request))
    set_session(request, fresh.renewed)
    return account_object(fresh.session, await account.overview(fresh.session, context.ip))


def account_object(session: Session, overview: Overview) -> dict[str, Any]:
    account, limits = overview.account, overview.limits
    return {
        "account_id": session.account_id,
        "email": session.email,
        "name": account.name or session.name,
        # Its owner sees a frozen account as a suspended one.
        "status": ACTIVE if account.status == ACTIVE else SUSPENDED,
        "created": account.created_s,
        "limits": {
            "requests_per_minute": limits.requests_per_minute,
            "tokens_per_minute": limits.tokens_per_minute,
            "in_flight_max": limits.in_flight_max,
        },
        "test_credit": overview.withheld,
        "first_run": {"has_key": overview.has_key, "has_call": overview.has_call},
        "is_admin": session.is_admin,
    }


@admin_router.get("/api/admin/accounts")
async def list_accounts(
    accounts: AccountsDep,
    admin: AdminDep,
    query: QueryText = "",
    limit: LimitQuery = LIMIT,
    cursor: LongCursorQuery = None,
    awaiting: bool = False,
) -> dict[str, Any]:
    """Accounts by id or by the beginning of an e-mail address. A short page may have a next one.

    Without a `query`, `awaiting` lists the accounts that await a test credit.
    """
    page = await accounts.search(query.strip(), limit, cursor, awaiting=awaiting)
    return list_object([admin_account_object(record) for record in page.records], page.after)


@admin_router.get("/api/admin/accounts/{account_id}")
async def admin_retrieve_account(account_id: str, accounts: AccountsDep, admin: AdminDep) -> dict[str, Any]:
    return dossier_object(await accounts.dossier(account_id))


@admin_router.post("/api/admin/accounts/{account_id}/suspend")
async def suspend_account(account_id: str, request: Request, accounts: AccountsDep, admin: AdminDep) -> dict[str, Any]:
    """Refuse the account's next call; calls in flight are settled."""
    body = await body_of(request, ReasonBody)
    return admin_account_object(await accounts.suspend(admin, account_id, body.reason))


@admin_router.post("/api/admin/accounts/{account_id}/resume")
async def resume_account(account_id: str, request: Request, accounts: AccountsDep, admin: AdminDep) -> dict[str, Any]:
    body = await body_of(request, ReasonBody)
    return admin_account_object(await accounts.resume(admin, account_id, body.reason))


@admin_router.post("/api/admin/accounts/{account_id}/test-credit")
async def grant_test_credit(
    account_id: str, request: Request, accounts: AccountsDep, admin: AdminDep
) -> dict[str, Any]:
    """Grant the awaited test credit, once however often it is sent."""
    why = await reason_of(request)
    return admin_account_object(await accounts.grant_test_credit(admin, account_id, why))


def admin_account_object(record: AccountRecord) -> dict[str, Any]:
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
        **admin_account_object(dossier.record),
        "live_calls": dossier.record.image.live_holds,
        "keys": [key_object(key) for key in dossier.keys],
        "orders": [order_object(order) for order in dossier.orders],
        "credits": [credit_object(row) for row in dossier.credits],
    }


def key_object(key: ApiKey) -> dict[str, Any]:
    """A key's record, without its uses: those are for its owner to see."""
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
