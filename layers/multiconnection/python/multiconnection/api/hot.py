"""Routes that are worth a way of their own: served without FastAPI's dependency solving and middlewares.

The same endpoints are registered with FastAPI, which answers everything else (wrong methods, unknown paths); this
saves a call about 250 µs and a stream a wrapped `send` per chunk (docs/benchmarks.md).
"""

from collections.abc import Awaitable, Callable, Mapping

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from multiconnection.domain.gateway_error import GatewayError

from .context import SCOPE_KEY
from .errors import error_response

Endpoint = Callable[[Request], Awaitable[Response]]
HotRoutes = Mapping[tuple[str, str], Endpoint]
"""Endpoint by (method, exact path)."""


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
