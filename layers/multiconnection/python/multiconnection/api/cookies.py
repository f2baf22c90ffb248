"""The two cookies of a session.

Cookies are collected in the scope and written when the answer starts, so that a session that was renewed on the way is
kept also where the route itself ends in an error or streams.
"""

import logging
from collections.abc import Callable, Sequence

from fastapi import APIRouter, Request

from multiconnection.bootstrap.data_plane import Container
from multiconnection.domain.people_errors import IdentityUnavailable
from multiconnection.services.sessions import Presented, Renewal

from .app import create_app
from .context import SCOPE_KEY, RequestContext
from .envelope import App, Message, Receive, Scope, Send

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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
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


def create_browser_app(make_container: Callable[[], Container], routers: Sequence[APIRouter]) -> BrowserAnswers:
    """`create_app` for functions that know sessions."""
    return BrowserAnswers(create_app(make_container, routers))


def presented(request: Request) -> Presented:
    facts: RequestContext = request.scope[SCOPE_KEY]
    return Presented(request.cookies.get(ID_COOKIE) or None, request.cookies.get(REFRESH_COOKIE) or None, facts.ip)


def set_session(request: Request, renewed: Renewal, now_s: float) -> None:
    """Raises IdentityUnavailable for tokens that no browser would keep."""
    tokens = renewed.tokens
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
