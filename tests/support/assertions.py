"""The one helper for failing paths: status, headers and the one error shape, wherever the answer came from."""

import re
from typing import Any

import httpx

CORE = {"message", "type", "param", "code"}
REQUEST_ID = re.compile(r"req_[0-9A-Za-z]{12}")
LIMIT_HEADERS = [
    f"x-ratelimit-{what}-{of}" for what in ("limit", "remaining", "reset") for of in ("requests", "tokens")
]


def assert_error(response: httpx.Response, code: str | None, status: int) -> dict[str, Any]:
    """The error object, after everything that all errors have in common was checked."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert body.keys() == {"error"}
    error: dict[str, Any] = body["error"]
    assert error.keys() >= CORE
    assert isinstance(error["message"], str)
    assert error["message"]
    assert isinstance(error["type"], str)
    assert error["param"] is None or isinstance(error["param"], str)
    assert error["code"] == code
    assert_common_headers(response)
    return error


def assert_common_headers(response: httpx.Response) -> None:
    """What every answer carries, errors, streams and preflights included."""
    assert REQUEST_ID.fullmatch(response.headers["x-request-id"])
    assert response.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in response.headers
    exposed = response.headers["access-control-expose-headers"].split(", ")
    assert {"x-request-id", "retry-after", "x-should-retry", *LIMIT_HEADERS} <= set(exposed)
    for name in LIMIT_HEADERS:
        assert response.headers.get_list(name) == [response.headers[name]]
        assert response.headers[name]
