"""What the console's routes ask for: `SessionDep` and `AdminDep`, CSRF protection and the account's quota included."""

import logging
from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ValidationError

from multiconnection.context import RequestContext
from multiconnection.errors import AdminForbidden, CsrfFailed, IdentityUnavailable
from multiconnection.ledger.ledger import Standing
from multiconnection.limits.limiter import ConsoleQuota
from multiconnection.observability.logging import note_account
from multiconnection.ports import Clock
from multiconnection.web.app import App, Message, RawReceive, RawScope, RawSend, SetUp, create_app
from multiconnection.web.body import read_json
from multiconnection.web.context import SCOPE_KEY, service
from multiconnection.web.validation import invalid

from .models import Session
from .sessions import Access, Presented, Renewal, Sessions

QuotaDep = Annotated[ConsoleQuota, service("quota")]
SessionsDep = Annotated[Sessions, service("sessions")]
StandingDep = Annotated[Standing, service("standing")]

__all__ = ["AccessDep", "AdminDep", "Session", "SessionDep"]


async def session(request: Request, sessions: SessionsDep, quota: QuotaDep) -> Session:
    """The signed-in user; an ID token near its end is renewed on the way, with new cookies on the same answer.

    Raises CsrfFailed, SessionRequired, SessionExpired, IdentityUnavailable or RateLimited.
    """
    await csrf(request)
    current = await sessions.current(presented(request))
    if current.renewed is not None:
        set_session(request, current.renewed)
    await _admit(quota, current.session)
    return current.session


async def admin_session(found: Annotated[Session, Depends(session)]) -> Session:
    """Raises AdminForbidden for everybody else who is signed in."""
    if not found.is_admin:
        raise AdminForbidden("Admin permission is required.")
    return found


async def access(request: Request, sessions: SessionsDep, quota: QuotaDep) -> Access:
    """For changes of the identity itself: an access token, fetched for this request and never kept.

    Raises as `session` does.
    """
    await csrf(request)
    fresh = await sessions.access(presented(request))
    set_session(request, fresh.renewed)
    await _admit(quota, fresh.session)
    return fresh


async def _admit(quota: ConsoleQuota, found: Session) -> None:
    """Here, so that no route of a session can be without it."""
    note_account(found.account_id)
    await quota.admit(found.account_id)


SessionDep = Annotated[Session, Depends(session)]
AdminDep = Annotated[Session, Depends(admin_session)]
AccessDep = Annotated[Access, Depends(access)]


# The two cookies of a session.
# Cookies are collected in the scope and written when the answer starts, so that a session that was renewed on the way
# is kept also where the route itself ends in an error or streams.

# The prefix makes browsers refuse them from any other host, from plain http and for any narrower path.
ID_COOKIE = "__Host-mc_id"
REFRESH_COOKIE = "__Host-mc_refresh"
# As long as the pool's refresh tokens live.
REFRESH_LIFE_S = 30 * 86400
# Browsers drop a longer one without a word.
COOKIE_BYTES_MAX = 4096
ATTRIBUTES = "Path=/; Secure; HttpOnly; SameSite=Strict"
_COLLECTED = "multiconnection.set_cookies"
log = logging.getLogger(__name__)


class BrowserAnswers:
    """ASGI app around a function's app: the cookies of its answers."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: RawScope, receive: RawReceive, send: RawSend) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        cookies: dict[str, str] = {}
        scope[_COLLECTED] = cookies

        async def send_with_cookies(message: Message) -> None:
            if message["type"] == "http.response.start":
                found = [(b"set-cookie", cookie.encode("latin-1")) for cookie in cookies.values()]
                message["headers"] = [*message.get("headers", ()), *found]
            await send(message)

        await self._app(scope, receive, send_with_cookies)


def create_browser_app(set_up: SetUp, routers: Sequence[APIRouter]) -> BrowserAnswers:
    """`create_app` for functions that know sessions."""
    return BrowserAnswers(create_app(set_up, routers))


def presented(request: Request) -> Presented:
    context: RequestContext = request.scope[SCOPE_KEY]
    return Presented(request.cookies.get(ID_COOKIE) or None, request.cookies.get(REFRESH_COOKIE) or None, context.ip)


def set_session(request: Request, renewed: Renewal) -> None:
    """Raises IdentityUnavailable for tokens that no browser would keep."""
    clock: Clock = request.app.state.clock
    tokens, now_s = renewed.tokens, clock.now()
    _set(request, ID_COOKIE, tokens.id_token, max(0, int(renewed.expires_s - now_s)))
    if tokens.refresh_token is not None:
        _set(request, REFRESH_COOKIE, tokens.refresh_token, REFRESH_LIFE_S)


def clear_session(request: Request) -> None:
    for name in (ID_COOKIE, REFRESH_COOKIE):
        _set(request, name, "", 0)


def _set(request: Request, name: str, value: str, life_s: int) -> None:
    cookie = f"{name}={value}; Max-Age={life_s}; {ATTRIBUTES}"
    if len(cookie) > COOKIE_BYTES_MAX:
        log.error("cookie_too_large", extra={"cookie": name, "bytes": len(cookie)})
        raise IdentityUnavailable("Your session does not fit into a cookie.", retryable=False)
    request.scope[_COLLECTED][name] = cookie


# Unsafe requests of a browser have to show that they come from our own pages.

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
HEADER = "x-mc-csrf"
_MESSAGE = "This request does not come from our own pages."


async def csrf(request: Request) -> None:
    """A header that no form can send, and an origin that no other site can claim. Raises CsrfFailed."""
    if request.method in SAFE_METHODS:
        return
    if request.headers.get(HEADER) != "1":
        raise CsrfFailed(f"Send the header `{HEADER}: 1`.")
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site not in (None, "same-origin") or (site is None and origin is None):
        raise CsrfFailed(_MESSAGE)
    if origin is not None and origin.lower() not in own_origins(request) | request.app.state.public_origins:
        raise CsrfFailed(_MESSAGE)


def own_origins(request: Request) -> frozenset[str]:
    """Of the host that the browser has sent this request to; the scheme is the platform's word, not the browser's."""
    host = request.headers.get("host", "").lower()
    return frozenset({f"{request.scope['scheme']}://{host}"}) if host else frozenset()


# What the console's routes have in common: the signed-in user, bodies, lists.

# A name, three limits, a hundred model ids and fifty address ranges.
BODY_BYTES_MAX = 64 * 1024
# A handful of short fields.
SMALL_BODY_BYTES_MAX = 16 * 1024
LIMIT, LIMIT_MAX = 25, 100
B = TypeVar("B", bound=BaseModel)


async def heavy_user(session: SessionDep, quota: QuotaDep) -> Session:
    """For what reads much. Raises RateLimited besides what a session raises."""
    await quota.admit_heavy(session.account_id)
    return session


async def active_user(session: SessionDep, standing: StandingDep) -> Session:
    """For what begins or changes something: a suspended account only ends what it has.

    Raises AccountSuspended besides what a session raises.
    """
    await standing.require_active(session.account_id)
    return session


async def active_access(access: AccessDep, standing: StandingDep) -> Access:
    """For changes of what the provider keeps for the account. Raises as `active_user` does."""
    await standing.require_active(access.session.account_id)
    return access


UserDep = SessionDep
ActiveAccessDep = Annotated[Access, Depends(active_access)]
ActiveUserDep = Annotated[Session, Depends(active_user)]
HeavyUserDep = Annotated[Session, Depends(heavy_user)]
LimitQuery = Annotated[int, Query(ge=1, le=LIMIT_MAX)]
CursorQuery = Annotated[str | None, Query(max_length=256)]


async def body_of(request: Request, schema: type[B], bytes_max: int = BODY_BYTES_MAX) -> B:
    """Raises RequestInvalid, ParameterMissing, RequestTooLarge or MediaTypeUnsupported."""
    document = await read_json(request, bytes_max)
    try:
        return schema.model_validate(document)
    except ValidationError as exc:
        raise invalid(exc) from None


async def small_body_of(request: Request, schema: type[B]) -> B:
    """Raises as `body_of` does."""
    return await body_of(request, schema, SMALL_BODY_BYTES_MAX)


def list_object(data: list[dict[str, Any]], next_cursor: str | None = None) -> dict[str, Any]:
    return {"object": "list", "data": data, "next_cursor": next_cursor}
