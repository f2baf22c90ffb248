"""One request's own facts, made before anything else looks at it, and the headers every answer carries."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import orjson
from fastapi import Depends, Request

from multiconnection.calls.pipeline import Arrival
from multiconnection.calls.telemetry import CallFacts
from multiconnection.ids import request_id_of
from multiconnection.limits.window import LimitState

SCOPE_KEY = "multiconnection.context"
EXPOSED_HEADERS = ", ".join(
    [
        "x-request-id",
        "retry-after",
        "x-should-retry",
        *(f"x-ratelimit-{what}-{of}" for what in ("limit", "remaining", "reset") for of in ("requests", "tokens")),
    ]
)


def function_ends_s(scope: Mapping[str, Any]) -> float | None:
    """When Lambda ends this invocation, in epoch seconds; `deadline` of the adapter's context is in milliseconds."""
    deadline = _json_header(scope, b"x-amzn-lambda-context").get("deadline")
    return deadline / 1000 if isinstance(deadline, int) else None


@dataclass(slots=True)
class RequestContext:
    """`limits` tells the rate limits when the answer starts; authentication replaces the address's by the key's.

    `facts` is what this call's metrics will say.
    """

    hold_id: str
    started_s: float
    ip: str
    function_ends_s: float | None
    limits: Callable[[], LimitState]
    facts: CallFacts = field(default_factory=CallFacts)

    @property
    def request_id(self) -> str:
        return request_id_of(self.hold_id)

    @property
    def arrival(self) -> Arrival:
        return Arrival(self.hold_id, self.started_s, self.function_ends_s, self.facts)

    def headers(self) -> list[tuple[bytes, bytes]]:
        common = {
            "x-request-id": self.request_id,
            "access-control-allow-origin": "*",
            "access-control-expose-headers": EXPOSED_HEADERS,
            **self.limits().headers(),
        }
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in common.items()]


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
