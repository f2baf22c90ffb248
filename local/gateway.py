"""A stand-in for API Gateway (REST) in front of the functions' ASGI apps, with its routing and its limits."""

from collections.abc import Mapping, Sequence
from urllib.parse import unquote
from uuid import uuid4

import orjson
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local.gateway_responses import canned
from local.lifespans import Lifespans
from local.routing import Router, normal
from local.template import GatewayResponse, Route

# API Gateway takes 10 MB, but Lambda only 6 MB; both answer REQUEST_TOO_LARGE, so the smaller one decides.
BODY_BYTES_MAX = 6 * 1024 * 1024

_CONTEXT = b"x-amzn-request-context"
# Lambda's adapter sets both on every request; a client's own must not get through.
_RESERVED = frozenset((_CONTEXT, b"x-amzn-lambda-context"))


class BodyTooLarge(Exception):
    """The request's body is over the limit."""


class LocalGateway:
    """ASGI app: `routes` of the template, each served by the app of its function."""

    def __init__(
        self,
        routes: Sequence[Route],
        apps: Mapping[str, ASGIApp],
        responses: Mapping[str, GatewayResponse],
        *,
        stage: str = "prod",
        body_bytes_max: int = BODY_BYTES_MAX,
    ) -> None:
        """Raises ValueError when a route's function has no app, TemplateError when a needed response is missing."""
        missing = {route.function for route in routes} - set(apps)
        if missing:
            raise ValueError(f"no app for {', '.join(sorted(missing))}")
        self._lifespans = Lifespans(apps.values())
        mounts = {name: (app, self._lifespans.state(app)) for name, app in apps.items()}
        self._router = Router((route.path, route.method, mounts[route.function]) for route in routes)
        self._unknown = canned(responses, "MISSING_AUTHENTICATION_TOKEN")
        self._too_large = canned(responses, "REQUEST_TOO_LARGE")
        self._stage = stage
        self._body_bytes_max = body_bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespans.serve(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)
        else:
            raise RuntimeError(f"API Gateway's REST APIs have no {scope['type']}")

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope = _with_normal_path(scope)
        request_id = str(uuid4())
        mount = self._router.match(scope["method"], scope["raw_path"])
        if mount is None:
            await self._unknown.send(send, request_id)
            return
        app, state = mount
        headers, length, chunked = _read_headers(scope["headers"])
        try:
            if chunked or length > self._body_bytes_max:
                receive = await _whole_body(receive, length, self._body_bytes_max)
        except BodyTooLarge:
            await self._too_large.send(send, request_id)
        except ClientDisconnect:
            return
        else:
            headers.append((_CONTEXT, self._context(scope, request_id)))
            await app({**scope, "headers": headers, "state": state.copy()}, receive, send)

    def _context(self, scope: Scope, request_id: str) -> bytes:
        """The members of API Gateway's request context that our functions read."""
        client = scope.get("client")
        return orjson.dumps(
            {
                "requestId": request_id,
                "identity": {"sourceIp": client[0] if client else "127.0.0.1"},
                "stage": self._stage,
                "httpMethod": scope["method"],
                "path": f"/{self._stage}{scope['path']}",
            }
        )


def _with_normal_path(scope: Scope) -> Scope:
    raw: bytes = scope["raw_path"]
    if b"//" not in raw and not raw.endswith(b"/"):
        return scope
    raw = normal(raw)
    return {**scope, "raw_path": raw, "path": unquote(raw.decode("latin-1"))}


def _read_headers(headers: Sequence[tuple[bytes, bytes]]) -> tuple[list[tuple[bytes, bytes]], int, bool]:
    """The headers that pass, the announced length of the body (0: none), and whether it comes unannounced."""
    passed = []
    length = 0
    chunked = False
    for header in headers:
        name = header[0]
        if name in _RESERVED:
            continue
        if name == b"content-length":
            length = int(header[1])
        elif name == b"transfer-encoding":
            chunked = True
        passed.append(header)
    return passed, length, chunked


async def _whole_body(receive: Receive, announced: int, bytes_max: int) -> Receive:
    """Takes the body in before the function is called, as API Gateway does; a `receive` that plays it back.

    Raises BodyTooLarge (the server discards what still comes) and ClientDisconnect.
    """
    if announced > bytes_max:
        raise BodyTooLarge
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > bytes_max:
            raise BodyTooLarge
    return _replay(bytes(body), receive)


def _replay(body: bytes, receive: Receive) -> Receive:
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay
