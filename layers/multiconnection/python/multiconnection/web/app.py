"""The app factory: one FastAPI app per function, all with the same envelope and error handlers."""

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from multiconnection.bootstrap.gateway import Container
from multiconnection.errors import GatewayError, InternalError
from multiconnection.ids import new_hold_id
from multiconnection.observability.logging import begin_correlation

from . import errors as web_errors
from .context import SCOPE_KEY, RequestContext, client_ip, function_ends_s, header
from .errors import CLIENT_LEFT, error_response

# The outermost ASGI layer: request id, CORS, cache and limit headers on every answer, metrics, the last handler.

RawScope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
RawReceive = Callable[[], Awaitable[Message]]
RawSend = Callable[[Message], Awaitable[None]]
App = Callable[[RawScope, RawReceive, RawSend], Awaitable[None]]


class Envelope:
    """Wraps a function's app; `make_context` reads the scope once for everybody below.

    What is below /api is kept by nobody, unless its route says otherwise.

    `on_answered` is told after the answer is complete, and before the process can be frozen: nothing is awaited in
    between. `now` is in epoch seconds.
    """

    def __init__(
        self,
        app: App,
        make_context: Callable[[RawScope], RequestContext],
        on_answered: Callable[[RequestContext], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._app = app
        self._make_context = make_context
        self._on_answered = on_answered
        self._now = now

    async def __call__(self, scope: RawScope, receive: RawReceive, send: RawSend) -> None:
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


# Routes that are worth a way of their own: served without FastAPI's dependency solving and middlewares.
# The same endpoints are registered with FastAPI, which answers everything else (wrong methods, unknown paths); this
# saves a call about 250 µs and a stream a wrapped `send` per chunk (docs/benchmarks.md).

Endpoint = Callable[[Request], Awaitable[Response]]
HotRoutes = Mapping[tuple[str, str], Endpoint]
"""Endpoint by (method, exact path)."""


def create_app(
    make_container: Callable[[], Container], routers: Sequence[APIRouter], hot_routes: HotRoutes | None = None
) -> Envelope:
    """An ASGI app. The container is made at start-up (or first use, where no lifespan runs) and closed at the end."""
    holder = ContainerHolder(make_container)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.container = holder.get()
        yield
        await holder.close()

    app = FastAPI(lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    web_errors.install(app)
    for router in routers:
        app.include_router(router)

    def make_context(scope: RawScope) -> RequestContext:
        services = app.state.container = holder.get()
        now_s, ip = services.clock.now(), client_ip(scope)
        return RequestContext(
            hold_id=new_hold_id(int(now_s), services.rng),
            started_s=now_s,
            ip=ip,
            function_ends_s=function_ends_s(scope),
            limits=lambda: services.limiter.ip_state(ip),
        )

    def on_answered(context: RequestContext) -> None:
        holder.get().telemetry.call(context.facts)

    return Envelope(HotPath(app, hot_routes) if hot_routes else app, make_context, on_answered)


class ContainerHolder:
    """One container per process, made on the running event loop."""

    def __init__(self, make_container: Callable[[], Container]) -> None:
        self._make = make_container
        self._container: Container | None = None

    def get(self) -> Container:
        if self._container is None:
            self._container = self._make()
        return self._container

    async def close(self) -> None:
        if self._container is not None:
            await self._container.aclose()
            self._container = None


PREFLIGHT_MAX_AGE_S = 7200
METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
log = logging.getLogger(__name__)


def _as_get(scope: RawScope, send: RawSend) -> tuple[RawScope, RawSend]:
    """What GET would answer, without its body. The server's own scope stays as it is: it counts by the method."""

    async def send_head(message: Message) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return {**scope, "method": "GET"}, send_head


async def _preflight(scope: RawScope, send: RawSend) -> None:
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


class HotPath:
    """Wraps a function's FastAPI app. What an endpoint raises besides GatewayError is the envelope's to answer."""

    def __init__(self, app: FastAPI, routes: HotRoutes) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._routes.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if endpoint is None:
            await self._app(scope, receive, send)
            return
        scope["app"] = self._app
        scope[SCOPE_KEY].facts.route = scope["path"]
        try:
            response = await endpoint(Request(scope, receive))
        except GatewayError as exc:
            response = error_response(exc)
        await response(scope, receive, send)
