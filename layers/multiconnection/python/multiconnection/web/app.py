"""The app factory: one FastAPI app per function, all with the same envelope and error handlers."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.datastructures import State
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from multiconnection.context import RequestContext
from multiconnection.errors import GatewayError, InternalError
from multiconnection.ids import new_hold_id
from multiconnection.observability.logging import begin_correlation
from multiconnection.ports import Clock, Rng

from . import errors as web_errors
from .context import SCOPE_KEY, Invocation, header, invocation_of
from .errors import CLIENT_LEFT, error_response

RawScope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
RawReceive = Callable[[], Awaitable[Message]]
RawSend = Callable[[Message], Awaitable[None]]
App = Callable[[RawScope, RawReceive, RawSend], Awaitable[None]]

Endpoint = Callable[[Request], Awaitable[Response]]
HotRoutes = Mapping[tuple[str, str], Endpoint]
"""Endpoint by (method, exact path)."""

EXPOSED_HEADERS = ", ".join(
    [
        "x-request-id",
        "retry-after",
        "x-should-retry",
        *(f"x-ratelimit-{what}-{of}" for what in ("limit", "remaining", "reset") for of in ("requests", "tokens")),
    ]
)
PREFLIGHT_MAX_AGE_S = 7200
METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """The parts of a function's process that the envelope uses, besides the services on `app.state`.

    `ip_limits` returns the rate-limit headers of an address. `on_answered` is called when an answer is complete and
    before the process can be frozen; nothing is awaited in between.
    """

    clock: Clock
    rng: Rng
    ip_limits: Callable[[str], Mapping[str, str]]
    on_answered: Callable[[RequestContext], None]
    aclose: Callable[[], Awaitable[None]]


SetUp = Callable[[State], Process]
"""Puts the services of a function on `app.state`, one attribute per room; called once, on the running event loop."""


def create_app(set_up: SetUp, routers: Sequence[APIRouter], hot_routes: HotRoutes | None = None) -> "Envelope":
    """An ASGI app. It is set up at start-up (or first use, where no lifespan runs) and closed at the end."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        holder.get()
        yield
        await holder.close()

    app = FastAPI(lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    holder = ProcessHolder(lambda: set_up(app.state))
    web_errors.install(app)
    for router in routers:
        app.include_router(router)
    return Envelope(HotPath(app, hot_routes) if hot_routes else app, holder.get)


class ProcessHolder:
    """Sets the process up once, on the running event loop."""

    def __init__(self, set_up: Callable[[], Process]) -> None:
        self._set_up = set_up
        self._process: Process | None = None

    def get(self) -> Process:
        if self._process is None:
            self._process = self._set_up()
        return self._process

    async def close(self) -> None:
        if self._process is not None:
            await self._process.aclose()
            self._process = None


class Envelope:
    """The outermost ASGI layer: makes the request's context, answers preflights, completes the headers of every answer.

    Responses under /api are `no-store` unless the route overrides it.
    """

    def __init__(self, app: App, process: Callable[[], Process]) -> None:
        self._app = app
        self._process = process

    async def __call__(self, scope: RawScope, receive: RawReceive, send: RawSend) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            scope, send = _as_get(scope, send)
        process, invocation = self._process(), invocation_of(scope)
        context = scope[SCOPE_KEY] = _context_of(invocation, process)
        begin_correlation(context.request_id, invocation.ids)
        started = False

        async def send_complete(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                context.status = message["status"]
                context.first_byte_ms = round((process.clock.now() - context.started_s) * 1000)
                headers = [*message.get("headers", ()), *_common_headers(context)]
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
            context.status = context.status or CLIENT_LEFT
        except Exception:
            log.exception("unhandled", extra={"request_id": context.request_id})
            context.error_code = InternalError.code or ""
            if not started:
                await error_response(InternalError("The gateway failed. Nothing was charged."))(
                    scope, receive, send_complete
                )
        finally:
            context.method = scope["method"]
            context.route = context.route or getattr(scope.get("route"), "path", "")
            process.on_answered(context)


def _context_of(invocation: Invocation, process: Process) -> RequestContext:
    now_s = process.clock.now()
    return RequestContext(
        hold_id=new_hold_id(int(now_s), process.rng),
        started_s=now_s,
        ip=invocation.ip,
        function_ends_s=invocation.ends_s,
        limits=lambda: process.ip_limits(invocation.ip),
    )


def _common_headers(context: RequestContext) -> list[tuple[bytes, bytes]]:
    headers = {
        "x-request-id": context.request_id,
        "access-control-allow-origin": "*",
        "access-control-expose-headers": EXPOSED_HEADERS,
        **context.limits(),
    }
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


class HotPath:
    """Serves a few routes without FastAPI's dependency solving and middlewares.

    The same endpoints are registered with FastAPI, which answers everything else (wrong methods, unknown paths). It
    saves a call about 250 µs, and a stream a wrapped `send` per chunk (docs/benchmarks.md). Exceptions other than
    GatewayError are answered by the envelope.
    """

    def __init__(self, app: FastAPI, routes: HotRoutes) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._routes.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if endpoint is None:
            await self._app(scope, receive, send)
            return
        scope["app"] = self._app
        scope[SCOPE_KEY].route = scope["path"]
        try:
            response = await endpoint(Request(scope, receive))
        except GatewayError as exc:
            response = error_response(exc)
        await response(scope, receive, send)


def _as_get(scope: RawScope, send: RawSend) -> tuple[RawScope, RawSend]:
    """Answers HEAD as GET without its body; the server's own scope keeps the method, by which it counts."""

    async def send_head(message: Message) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return {**scope, "method": "GET"}, send_head


async def _preflight(scope: RawScope, send: RawSend) -> None:
    """Answers a CORS preflight, without authentication; echoes the headers, as `*` does not cover Authorization."""
    asked = header(scope, b"access-control-request-headers") or "authorization, content-type"
    headers = [
        (b"access-control-allow-methods", METHODS.encode()),
        (b"access-control-allow-headers", asked.encode("latin-1")),
        (b"access-control-max-age", str(PREFLIGHT_MAX_AGE_S).encode()),
        (b"content-length", b"0"),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
