"""API Gateway's own error responses, as template.yaml words them, sent over ASGI."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.types import Send

from local.template import GatewayResponse
from local.template_values import TemplateError

# Default status of the two responses that the local gateway gives.
_STATUS = {"MISSING_AUTHENTICATION_TOKEN": 403, "REQUEST_TOO_LARGE": 413}
_REQUEST_ID = "context.requestId"


@dataclass(frozen=True, slots=True)
class CannedAnswer:
    """One gateway response, encoded once; only the request id differs from call to call."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    request_id_headers: tuple[bytes, ...]
    body: bytes

    async def send(self, send: Send, request_id: str) -> None:
        dynamic = [(name, request_id.encode()) for name in self.request_id_headers]
        await send({"type": "http.response.start", "status": self.status, "headers": [*self.headers, *dynamic]})
        await send({"type": "http.response.body", "body": self.body})


def canned(responses: Mapping[str, GatewayResponse], kind: str) -> CannedAnswer:
    """Encode a gateway response. Raises TemplateError when the template lacks it or uses syntax not supported here."""
    response = responses.get(kind)
    if response is None:
        raise TemplateError(f"GatewayResponses.{kind} is missing")
    if "$" in response.body:
        raise TemplateError(f"{kind}: context variables in a body are not read by the local gateway")
    body = response.body.encode()
    fixed = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    dynamic = []
    for name, value in response.headers.items():
        if value == _REQUEST_ID:
            dynamic.append(name.lower().encode())
        else:
            fixed.append((name.lower().encode(), _quoted(value, kind).encode()))
    return CannedAnswer(response.status or _STATUS[kind], tuple(fixed), tuple(dynamic), body)


def _quoted(value: str, kind: str) -> str:
    """The text of a value that API Gateway requires in single quotes."""
    if len(value) < 2 or value[0] != "'" or value[-1] != "'":
        raise TemplateError(f"{kind}: cannot read the header value {value!r}")
    return value[1:-1]
