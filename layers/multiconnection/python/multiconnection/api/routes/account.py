"""GET and PATCH /api/account: who I am, what limits me, how far I have come."""

from typing import Any

from fastapi import APIRouter, Request

from multiconnection.api.console import ActiveAccessDep, small_body_of
from multiconnection.api.console_services import ConsoleDep
from multiconnection.api.cookies import presented, set_session
from multiconnection.api.dependencies import ContextDep
from multiconnection.api.session import SessionDep
from multiconnection.domain.sessions import Session
from multiconnection.ledger.accounts import ACTIVE, SUSPENDED
from multiconnection.schemas.auth import AccountBody
from multiconnection.services.profile import Overview

router = APIRouter()


@router.get("/api/account")
async def retrieve_account(services: ConsoleDep, session: SessionDep, context: ContextDep) -> dict[str, Any]:
    return account_object(session, await services.identity.profile.overview(session, context.ip))


@router.patch("/api/account")
async def update_account(
    request: Request, services: ConsoleDep, access: ActiveAccessDep, context: ContextDep
) -> dict[str, Any]:
    """The name, at once and in the cookie."""
    body = await small_body_of(request, AccountBody)
    await services.identity.profile.rename(access, body.name)
    fresh = await services.identity.sessions.access(presented(request))
    set_session(request, fresh.renewed, services.clock.now())
    return account_object(fresh.session, await services.identity.profile.overview(fresh.session, context.ip))


def account_object(session: Session, found: Overview) -> dict[str, Any]:
    account, limits = found.account, found.limits
    return {
        "account_id": session.account_id,
        "email": session.email,
        "name": account.name or session.name,
        # Frozen, for the operator to look at its books, is suspended to its owner.
        "status": ACTIVE if account.status == ACTIVE else SUSPENDED,
        "created": account.created_s,
        "limits": {
            "requests_per_minute": limits.requests_per_minute,
            "tokens_per_minute": limits.tokens_per_minute,
            "in_flight_max": limits.in_flight_max,
        },
        "test_credit": found.withheld,
        "first_run": {"has_key": found.has_key, "has_call": found.has_call},
        "is_admin": session.is_admin,
    }
