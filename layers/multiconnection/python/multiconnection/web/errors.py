"""Exceptions as answers in the one error shape."""

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from multiconnection.context import RequestContext
from multiconnection.errors import GatewayError, InternalError, MethodNotAllowed, RequestInvalid, UrlUnknown

from .context import SCOPE_KEY

# As web servers log it: the client left before its request was complete. Not one of our errors.
CLIENT_LEFT = 499
# Of a path: no path of ours has so many.
STEPS_MAX = 16


class ErrorResponse(Response):
    """Status, headers and body of an error; sending it also records its code for the metrics."""

    def __init__(self, error: GatewayError) -> None:
        super().__init__(
            orjson.dumps(error.body()),
            status_code=error.http_status,
            headers=error.headers(),
            media_type="application/json",
        )
        self._metric_code = error.metric_code

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        context: RequestContext | None = scope.get(SCOPE_KEY)
        if context is not None:
            context.error_code = self._metric_code
        await super().__call__(scope, receive, send)


def error_response(error: GatewayError) -> Response:
    return ErrorResponse(error)


async def gateway_error(_: Request, exc: Exception) -> Response:
    assert isinstance(exc, GatewayError)
    return error_response(exc)


async def http_exception(request: Request, exc: Exception) -> Response:
    """Starlette's own 404 and 405."""
    assert isinstance(exc, HTTPException)
    where = f"({request.method} {request.url.path})"
    if exc.status_code == 404:
        return error_response(UrlUnknown(f"Invalid URL {where}.{_meant(request.url.path)}"))
    if exc.status_code == 405:
        response = error_response(MethodNotAllowed(f"Not allowed to {request.method} on {request.url.path}."))
        response.headers.update(exc.headers or {})
        return response
    if exc.status_code < 500:
        return error_response(RequestInvalid(str(exc.detail)))
    return error_response(InternalError("The gateway failed."))


def _meant(path: str) -> str:
    """A hint for a base URL that has too much: another prefix, or what clients add themselves."""
    steps = [step for step in path.split("/") if step][:STEPS_MAX]
    if "v1" not in steps:
        return ""
    meant = steps[len(steps) - steps[::-1].index("v1") - 1 :]
    for size in (2, 1):  # /v1/chat/completions/chat/completions, /v1/models/models
        if len(meant) > 2 * size and meant[-size:] == meant[-2 * size : -size]:
            meant = meant[:-size]
    return "" if meant == steps else f" Did you mean /{'/'.join(meant)}? Use a base URL that ends in /v1."


async def validation_error(_: Request, exc: Exception) -> Response:
    """FastAPI's validation of paths and queries, without its `detail` shape."""
    assert isinstance(exc, RequestValidationError)
    error = exc.errors()[0]
    where = ".".join(str(step) for step in error["loc"][1:])
    return error_response(RequestInvalid(f"Invalid value for '{where}': {error['msg']}.", param=where))


async def client_left(_: Request, __: Exception) -> Response:
    """An answer that no client reads; its status is for the metrics."""
    return Response(status_code=CLIENT_LEFT)


async def unhandled(_: Request, __: Exception) -> Response:
    return error_response(InternalError("The gateway failed."))


def install(app: FastAPI) -> None:
    app.add_exception_handler(GatewayError, gateway_error)
    app.add_exception_handler(HTTPException, http_exception)
    app.add_exception_handler(RequestValidationError, validation_error)
    app.add_exception_handler(ClientDisconnect, client_left)
    app.add_exception_handler(Exception, unhandled)
