"""Reading the scope of a request, and dependencies for its context and for services."""

from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from fastapi import Depends, Request

from multiconnection.context import RequestContext

SCOPE_KEY = "multiconnection.context"


def function_ends_s(scope: Mapping[str, Any]) -> float | None:
    """The end of this Lambda invocation in epoch seconds; `deadline` in the adapter's context is in milliseconds."""
    deadline = _json_header(scope, b"x-amzn-lambda-context").get("deadline")
    return deadline / 1000 if isinstance(deadline, int) else None


def header(scope: Mapping[str, Any], name: bytes) -> str | None:
    """The first header of that (lower-case) name."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)


def client_ip(scope: Mapping[str, Any]) -> str:
    """The caller's address as API Gateway saw it, never as the caller claims it.

    Buffered functions have the event in the scope (Mangum). In front of streaming functions the Lambda Web Adapter
    overwrites `x-amzn-request-context` on every request.
    """
    event = scope.get("aws.event")
    if event is not None:
        return str(event.get("requestContext", {}).get("identity", {}).get("sourceIp", ""))
    identity = _json_header(scope, b"x-amzn-request-context").get("identity")
    if isinstance(identity, dict) and "sourceIp" in identity:
        return str(identity["sourceIp"])
    client = scope.get("client")
    return str(client[0]) if client else ""


def aws_ids(scope: Mapping[str, Any]) -> dict[str, str]:
    """API Gateway's and Lambda's ids of this request, as in the access log and Lambda's own lines; empty elsewhere."""
    event = scope.get("aws.event")
    if event is not None:
        gateway = event.get("requestContext", {}).get("requestId")
        function = getattr(scope.get("aws.context"), "aws_request_id", None)
    else:
        gateway = _json_header(scope, b"x-amzn-request-context").get("requestId")
        function = _json_header(scope, b"x-amzn-lambda-context").get("request_id")
    ids = {"gateway_request_id": gateway, "function_request_id": function}
    return {name: value for name, value in ids.items() if isinstance(value, str)}


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
