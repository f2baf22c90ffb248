"""Dependencies of the routes that browsers call: the signed-in user, cookies, CSRF protection, bodies and lists.

`SessionDep` and the dependencies built on it include CSRF protection and the account's console quota.
"""

import logging
from collections.abc import Sequence
from typing import Annotated, TypeVar

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
from multiconnection.web.validation import MaybeReasonBody, invalid

from .models import Session
from .sessions import Access, Presented, Renewal, Sessions

# The prefix makes browsers refuse these cookies from any other host, from plain http and for any narrower path.
ID_COOKIE = "__Host-mc_id"
REFRESH_COOKIE = "__Host-mc_refresh"
# The lifetime of the pool's refresh tokens.
REFRESH_LIFE_S = 30 * 86400
# Browsers silently drop a longer cookie.
COOKIE_BYTES_MAX = 4096
ATTRIBUTES = "Path=/; Secure; HttpOnly; SameSite=Strict"
_COLLECTED = "multiconnection.set_cookies"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CSRF_HEADER = "x-mc-csrf"
_FOREIGN = "This request does not come from our own pages."
# A name, three limits, a hundred model ids and fifty address ranges.
BODY_BYTES_MAX = 64 * 1024
# A handful of short fields.
SMALL_BODY_BYTES_MAX = 16 * 1024
LIMIT, LIMIT_MAX = 25, 100
B = TypeVar("B", bound=BaseModel)
log = logging.getLogger(__name__)

QuotaDep = Annotated[ConsoleQuota, service("quota")]
SessionsDep = Annotated[Sessions, service("sessions")]
StandingDep = Annotated[Standing, service("standing")]
LimitQuery = Annotated[int, Query(ge=1, le=LIMIT_MAX)]
CursorQuery = Annotated[str | None, Query(max_length=256)]


async def session(request: Request, sessions: SessionsDep, quota: QuotaDep) -> Session:
    """The signed-in user; an ID token near its end is renewed, with new cookies on the same answer.

    Raises CsrfFailed, SessionRequired, SessionExpired, IdentityUnavailable or RateLimited.
    """
    await csrf(request)
    current = await sessions.current(presented(request))
    if current.renewed is not None:
        set_session(request, current.renewed)
    await _admit(quota, current.session)
    return current.session


async def admin_session(found: Annotated[Session, Depends(session)]) -> Session:
    """The signed-in administrator. Raises AdminForbidden besides what a session raises."""
    if not found.is_admin:
        raise AdminForbidden("Admin permission is required.")
    return found


async def access(request: Request, sessions: SessionsDep, quota: QuotaDep) -> Access:
    """A session with an access token to change the identity, fetched for this request and never stored.

    Raises as `session` does.
    """
    await csrf(request)
    fresh = await sessions.access(presented(request))
    set_session(request, fresh.renewed)
    await _admit(quota, fresh.session)
    return fresh


async def _admit(quota: ConsoleQuota, found: Session) -> None:
    """Count the request; part of the session, so that no route can omit it."""
    note_account(found.account_id)
    await quota.admit(found.account_id)


SessionDep = Annotated[Session, Depends(session)]
AdminDep = Annotated[Session, Depends(admin_session)]
AccessDep = Annotated[Access, Depends(access)]


async def heavy_user(session: SessionDep, quota: QuotaDep) -> Session:
    """The user of a route that reads many rows. Raises RateLimited besides what a session raises."""
    await quota.admit_heavy(session.account_id)
    return session


async def active_user(session: SessionDep, standing: StandingDep) -> Session:
    """The user of a route that creates or changes something, which a suspended account may not.

    Raises AccountSuspended besides what a session raises.
    """
    await standing.require_active(session.account_id)
    return session


async def active_access(access: AccessDep, standing: StandingDep) -> Access:
    """Access to change the identity of an active account. Raises as `active_user` does."""
    await standing.require_active(access.session.account_id)
    return access


UserDep = SessionDep
ActiveAccessDep = Annotated[Access, Depends(active_access)]
ActiveUserDep = Annotated[Session, Depends(active_user)]
HeavyUserDep = Annotated[Session, Depends(heavy_user)]


class BrowserAnswers:
    """ASGI app that adds the session's cookies to the answers of a function's app.

    Cookies are collected in the scope and written when the answer starts, so a session that was renewed is kept even
    if the route ends in an error or streams.
    """

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
    """`create_app` for functions with sessions."""
    return BrowserAnswers(create_app(set_up, routers))


def presented(request: Request) -> Presented:
    context: RequestContext = request.scope[SCOPE_KEY]
    return Presented(request.cookies.get(ID_COOKIE) or None, request.cookies.get(REFRESH_COOKIE) or None, context.ip)


def set_session(request: Request, renewed: Renewal) -> None:
    """Raises IdentityUnavailable for tokens that are too long for a cookie."""
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


async def csrf(request: Request) -> None:
    """Require a header that no form can send and an origin that no other site can claim. Raises CsrfFailed."""
    if request.method in SAFE_METHODS:
        return
    if request.headers.get(CSRF_HEADER) != "1":
        raise CsrfFailed(f"Send the header `{CSRF_HEADER}: 1`.")
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site not in (None, "same-origin") or (site is None and origin is None):
        raise CsrfFailed(_FOREIGN)
    if origin is not None and origin.lower() not in own_origins(request) | request.app.state.public_origins:
        raise CsrfFailed(_FOREIGN)


def own_origins(request: Request) -> frozenset[str]:
    """The origin of the host in the request; the scheme comes from the platform, not from the browser."""
    host = request.headers.get("host", "").lower()
    return frozenset({f"{request.scope['scheme']}://{host}"}) if host else frozenset()


async def body_of(request: Request, schema: type[B], bytes_max: int = BODY_BYTES_MAX) -> B:
    """Raises RequestInvalid, ParameterMissing, RequestTooLarge or MediaTypeUnsupported."""
    document = await read_json(request, bytes_max)
    try:
        return schema.model_validate(document)
    except ValidationError as exc:
        raise invalid(exc) from None


async def optional_body_of(request: Request, schema: type[B]) -> B:
    """The schema's defaults for an empty body. Raises as `body_of` does."""
    return await body_of(request, schema) if await request.body() else schema()


async def reason_of(request: Request) -> str:
    """The reason in a body that may be left out. Raises as `body_of` does."""
    return (await optional_body_of(request, MaybeReasonBody)).reason


async def small_body_of(request: Request, schema: type[B]) -> B:
    """Raises as `body_of` does."""
    return await body_of(request, schema, SMALL_BODY_BYTES_MAX)
