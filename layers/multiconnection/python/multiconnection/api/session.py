"""What the console's routes ask for: `SessionDep` and `AdminDep`, CSRF protection and the account's quota included."""

from typing import Annotated

from fastapi import Depends, Request

from multiconnection.bootstrap.console import ConsoleContainer
from multiconnection.domain.admin_errors import AdminForbidden
from multiconnection.domain.sessions import Session
from multiconnection.observability import note_account
from multiconnection.services.sessions import Access

from .console_services import ConsoleDep
from .cookies import presented, set_session
from .csrf import csrf

__all__ = ["AccessDep", "AdminDep", "Session", "SessionDep"]


async def session(request: Request, services: ConsoleDep) -> Session:
    """The signed-in user; an ID token near its end is renewed on the way, with new cookies on the same answer.

    Raises CsrfFailed, SessionRequired, SessionExpired, IdentityUnavailable or RateLimited.
    """
    await csrf(request, services)
    current = await services.identity.sessions.current(presented(request))
    if current.renewed is not None:
        set_session(request, current.renewed, services.clock.now())
    await _admit(services, current.session)
    return current.session


async def admin_session(found: Annotated[Session, Depends(session)]) -> Session:
    """Raises AdminForbidden for everybody else who is signed in."""
    if not found.is_admin:
        raise AdminForbidden("Admin permission is required.")
    return found


async def access(request: Request, services: ConsoleDep) -> Access:
    """For changes of the identity itself: an access token, fetched for this request and never kept.

    Raises as `session` does.
    """
    await csrf(request, services)
    fresh = await services.identity.sessions.access(presented(request))
    set_session(request, fresh.renewed, services.clock.now())
    await _admit(services, fresh.session)
    return fresh


async def _admit(services: ConsoleContainer, found: Session) -> None:
    """Here, so that no route of a session can be without it."""
    note_account(found.account_id)
    await services.console.quota.admit(found.account_id)


SessionDep = Annotated[Session, Depends(session)]
AdminDep = Annotated[Session, Depends(admin_session)]
AccessDep = Annotated[Access, Depends(access)]
