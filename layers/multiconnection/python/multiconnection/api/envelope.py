"""The outermost ASGI layer: request id, CORS, cache and limit headers on every answer, metrics, the last handler."""

import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.requests import ClientDisconnect

from multiconnection.domain.errors import InternalError
from multiconnection.observability import begin_correlation

from .context import SCOPE_KEY, RequestContext, header
from .errors import CLIENT_LEFT, error_response

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

PREFLIGHT_MAX_AGE_S = 7200
METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
log = logging.getLogger(__name__)


class Envelope:
    """Wraps a function's app; `make_context` reads the scope once for everybody below.

    What is below /api is kept by nobody, unless its route says otherwise.

    `on_answered` is told after the answer is complete, and before the process can be frozen: nothing is awaited in
    between. `now` is in epoch seconds.
    """

    def __init__(
        self,
        app: App,
        make_context: Callable[[Scope], RequestContext],
        on_answered: Callable[[RequestContext], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._app = app
        self._make_context = make_context
        self._on_answered = on_answered
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            scope, send = _as_get(scope, send)
        context = scope[SCOPE_KEY] = self._make_context(scope)
        begin_correlation(context.request_id)
        started = False

        async def send_complete(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                context.facts.status = message["status"]
                context.facts.first_byte_ms = round((self._now() - context.started_s) * 1000)
                headers = [*message.get("headers", ()), *context.headers()]
                if "/api/" in scope["path"] and all(name != b"cache-control" for name, _ in headers):
                    headers.append((b"cache-control", b"no-store"))
                message["headers"] = headers
            await send(message)

        if scope["method"] == "OPTIONS":
            await _preflight(scope, send_complete)
            return
        try:
            await self._app(scope, receive, send_complete)
        except ClientDisconnect:
            context.facts.status = context.facts.status or CLIENT_LEFT
        except Exception:
            log.exception("unhandled", extra={"request_id": context.request_id})
            context.facts.error_code = InternalError.code or ""
            if not started:
                await error_response(InternalError("The gateway failed. Nothing was charged."))(
                    scope, receive, send_complete
                )
        finally:
            context.facts.method = scope["method"]
            context.facts.route = context.facts.route or getattr(scope.get("route"), "path", "")
            self._on_answered(context)


def _as_get(scope: Scope, send: Send) -> tuple[Scope, Send]:
    """What GET would answer, without its body. The server's own scope stays as it is: it counts by the method."""

    async def send_head(message: Message) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return {**scope, "method": "GET"}, send_head


async def _preflight(scope: Scope, send: Send) -> None:
    """CORS preflight without authentication; the asked-for headers are echoed, as `*` does not cover Authorization."""
    asked = header(scope, b"access-control-request-headers") or "authorization, content-type"
    headers = [
        (b"access-control-allow-methods", METHODS.encode()),
        (b"access-control-allow-headers", asked.encode("latin-1")),
        (b"access-control-max-age", str(PREFLIGHT_MAX_AGE_S).encode()),
        (b"content-length", b"0"),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
