"""Answers that are the same for every request: the errors of providers."""

from dataclasses import dataclass
from typing import Any

import orjson

Headers = list[tuple[bytes, bytes]]
JSON = b"application/json"


@dataclass(frozen=True, slots=True)
class Canned:
    """A whole HTTP answer."""

    status: int
    headers: Headers
    body: bytes


def error_object(message: str, kind: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """OpenAI's error body."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def canned(status: int, body: bytes, kind: bytes = JSON, *extra: tuple[bytes, bytes]) -> Canned:
    """An answer with its length and type."""
    return Canned(status, [(b"content-type", kind), (b"content-length", b"%d" % len(body)), *extra], body)


def refused(status: int, message: str, param: str | None = None, code: str | None = None) -> Canned:
    """The caller's mistake in OpenAI's shape."""
    return canned(status, orjson.dumps(error_object(message, "invalid_request_error", param, code)))


SERVER_ERROR = error_object("The server had an error while processing your request. Sorry about that!", "server_error")
_RATE_LIMIT = error_object(
    "Rate limit reached for requests. Please try again in 1s.", "requests", None, "rate_limit_exceeded"
)
_HTML = (
    b"<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>"
)

CANNED: dict[str, Canned] = {
    "error-500": canned(500, orjson.dumps(SERVER_ERROR)),
    "error-429": canned(429, orjson.dumps(_RATE_LIMIT), JSON, (b"retry-after", b"1")),
    "error-400": refused(
        400, "Unsupported value: 'temperature' does not support 3 with this model.", "temperature", "unsupported_value"
    ),
    "error-401": refused(401, "Incorrect API key provided: sk-demo****0000.", None, "invalid_api_key"),
    "error-html": canned(502, _HTML, b"text/html; charset=utf-8"),
    "error-200": canned(200, orjson.dumps(SERVER_ERROR)),
}
