"""Reading the scope of a request, and dependencies for its context and for services."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import Depends, Request

from multiconnection.context import RequestContext

SCOPE_KEY = "multiconnection.context"


def header(scope: Mapping[str, Any], name: bytes) -> str | None:
    """The first header of that (lower-case) name."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)


@dataclass(frozen=True, slots=True)
class Invocation:
    """The facts of a request that only the platform tells.

    `ip` is the caller's address as API Gateway saw it. `ends_s` is when Lambda ends the invocation, in epoch seconds.
    `ids` are API Gateway's and Lambda's ids of the request, as in the access log and Lambda's own lines; empty
    elsewhere.
    """

    ip: str
    ends_s: float | None
    ids: dict[str, str]


def invocation_of(scope: Mapping[str, Any]) -> Invocation:
    """The facts of the event in the scope (Mangum), or of the headers that the Lambda Web Adapter overwrites.

    No other header is believed, and none beside an event.
    """
    event, client = scope.get("aws.event"), scope.get("client")
    if event is not None:
        gateway: dict[str, Any] = event.get("requestContext", {})
        found = {"request_id": getattr(scope.get("aws.context"), "aws_request_id", None)}
        unknown_ip = ""
    else:
        gateway = _json_header(scope, b"x-amzn-request-context")
        found = _json_header(scope, b"x-amzn-lambda-context")
        unknown_ip = str(client[0]) if client else ""
    identity, deadline_ms = gateway.get("identity"), found.get("deadline")
    ids = {"gateway_request_id": gateway.get("requestId"), "function_request_id": found.get("request_id")}
    return Invocation(
        ip=str(identity.get("sourceIp", unknown_ip)) if isinstance(identity, dict) else unknown_ip,
        ends_s=deadline_ms / 1000 if isinstance(deadline_ms, int) else None,
        ids={name: value for name, value in ids.items() if isinstance(value, str)},
    )


def _json_header(scope: Mapping[str, Any], name: bytes) -> dict[str, Any]:
    value = header(scope, name)
    if not value:
        return {}
    try:
        parsed = orjson.loads(value)
    except orjson.JSONDecodeError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


async def context(request: Request) -> RequestContext:
    found: RequestContext = request.scope[SCOPE_KEY]
    return found


ContextDep = Annotated[RequestContext, Depends(context)]


def service(name: str) -> Any:
    """A dependency: the service that the composition root has put on `app.state` under `name`."""

    async def found(request: Request) -> Any:
        return getattr(request.app.state, name)

    return Depends(found)
