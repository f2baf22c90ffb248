"""/api/account for the signed-in user, /api/admin/accounts for administrators."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from multiconnection.identity.browser import (
    LIMIT,
    ActiveAccessDep,
    AdminDep,
    LimitQuery,
    SessionDep,
    body_of,
    presented,
    reason_of,
    set_session,
    small_body_of,
)
from multiconnection.identity.sessions import Sessions
from multiconnection.web.context import ContextDep, service
from multiconnection.web.openapi import Page, refuses, takes
from multiconnection.web.validation import MaybeReasonBody, ReasonBody

from .admin import AdminAccounts
from .schemas import AccountAnswer, AccountBody, AdminAccountAnswer, DossierAnswer
from .service import AccountService

AccountsDep = Annotated[AdminAccounts, service("accounts")]
AccountDep = Annotated[AccountService, service("account")]
SessionsDep = Annotated[Sessions, service("sessions")]
# The identity provider's own cursors are long.
LongCursorQuery = Annotated[str | None, Query(max_length=4096)]
QueryText = Annotated[str, Query(max_length=254, description="An account id, or the beginning of an e-mail address")]
AwaitingQuery = Annotated[bool, Query(description="Without a query: the accounts that await a test credit")]

router = APIRouter(prefix="/api/account", tags=["Account"])
admin_router = APIRouter(prefix="/api/admin/accounts", tags=["Admin"])


@router.get("", summary="Profile, limits, first steps")
async def retrieve_account(account: AccountDep, session: SessionDep, context: ContextDep) -> AccountAnswer:
    return AccountAnswer.of(session, await account.overview(session, context.ip))


@router.patch("", summary="Change the profile", openapi_extra=takes(AccountBody))
async def update_account(
    request: Request, account: AccountDep, sessions: SessionsDep, access: ActiveAccessDep, context: ContextDep
) -> AccountAnswer:
    """Changes the name, in the session's cookie as well."""
    body = await small_body_of(request, AccountBody)
    await account.rename(access, body.name)
    fresh = await sessions.access(presented(request))
    set_session(request, fresh.renewed)
    return AccountAnswer.of(fresh.session, await account.overview(fresh.session, context.ip))


@admin_router.get("", summary="Search accounts")
async def list_accounts(
    accounts: AccountsDep,
    admin: AdminDep,
    query: QueryText = "",
    limit: LimitQuery = LIMIT,
    cursor: LongCursorQuery = None,
    awaiting: AwaitingQuery = False,
) -> Page[AdminAccountAnswer]:
    """Accounts by id or by the beginning of an e-mail address. A short page may have a next one."""
    page = await accounts.search(query.strip(), limit, cursor, awaiting=awaiting)
    return Page(data=[AdminAccountAnswer.of(record) for record in page.records], next_cursor=page.after)


@admin_router.get("/{account_id}", summary="Retrieve an account with its keys and orders", responses=refuses(404))
async def admin_retrieve_account(account_id: str, accounts: AccountsDep, admin: AdminDep) -> DossierAnswer:
    return DossierAnswer.whole(await accounts.dossier(account_id))


@admin_router.post(
    "/{account_id}/suspend",
    summary="Suspend an account",
    responses=refuses(404, 409),
    openapi_extra=takes(ReasonBody),
)
async def suspend_account(
    account_id: str, request: Request, accounts: AccountsDep, admin: AdminDep
) -> AdminAccountAnswer:
    """Refuses the account's next call; calls in flight are settled."""
    body = await body_of(request, ReasonBody)
    return AdminAccountAnswer.of(await accounts.suspend(admin, account_id, body.reason))


@admin_router.post(
    "/{account_id}/resume", summary="Resume an account", responses=refuses(404, 409), openapi_extra=takes(ReasonBody)
)
async def resume_account(
    account_id: str, request: Request, accounts: AccountsDep, admin: AdminDep
) -> AdminAccountAnswer:
    body = await body_of(request, ReasonBody)
    return AdminAccountAnswer.of(await accounts.resume(admin, account_id, body.reason))


@admin_router.post(
    "/{account_id}/test-credit",
    summary="Grant an awaited test credit",
    responses=refuses(404, 409),
    openapi_extra=takes(MaybeReasonBody, required=False),
)
async def grant_test_credit(
    account_id: str, request: Request, accounts: AccountsDep, admin: AdminDep
) -> AdminAccountAnswer:
    """Grants it once, however often this is sent."""
    why = await reason_of(request)
    return AdminAccountAnswer.of(await accounts.grant_test_credit(admin, account_id, why))
