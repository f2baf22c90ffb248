"""The local gateway routes, limits and answers like API Gateway in front of the functions."""

import json
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local.gateway import BODY_BYTES_MAX, LocalGateway
from local.gateway_responses import canned
from local.template import GatewayResponse, Route, load
from local.template_values import TemplateError
from tests.support.echo_app import Echo

TEMPLATE = load(Path(__file__).parents[2] / "template.yaml")
RESPONSES = TEMPLATE.gateway_responses()


APPS: dict[str, ASGIApp] = {name: Echo(name) for name in TEMPLATE.functions()}
GATEWAY = LocalGateway(TEMPLATE.routes(), APPS, RESPONSES)


def client(app: ASGIApp = GATEWAY) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, client=("203.0.113.7", 1234))
    return httpx.AsyncClient(transport=transport, base_url="http://gateway")


async def echoed(method: str, path: str, **kwargs: Any) -> dict[str, Any]:
    async with client() as http:
        answer = await http.request(method, path, **kwargs)
    assert answer.status_code == 200, answer.text
    seen: dict[str, Any] = answer.json()
    return seen


def header(seen: dict[str, Any], name: str) -> list[str]:
    return [value for key, value in seen["headers"] if key == name]


def assert_error(answer: httpx.Response, kind: str) -> None:
    response = RESPONSES[kind]
    assert answer.status_code == response.status
    assert answer.json() == json.loads(response.body)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert len(answer.headers["x-request-id"]) == 36


@pytest.mark.parametrize(
    ("method", "path", "function"),
    [
        ("POST", "/v1/chat/completions", "ChatFunction"),
        ("GET", "/v1/chat/completions", "ChatFunction"),
        ("OPTIONS", "/v1/chat/completions", "ChatFunction"),
        ("POST", "/v1//chat/completions/", "ChatFunction"),
        ("GET", "/v1/models", "ModelsFunction"),
        ("GET", "/v1/models/", "ModelsFunction"),
        ("GET", "/v1/models/gpt-4.1", "ModelsFunction"),
        ("GET", "/v1/models/openai/gpt-4o:free", "ModelsFunction"),
        ("GET", "/v1/models/openai%2Fgpt-4o:free", "ModelsFunction"),
        ("GET", "/api/models", "ModelsFunction"),
        ("GET", "/v1/balance", "AccountFunction"),
        ("GET", "/v1/usage/req-1", "AccountFunction"),
        ("GET", "/v1/usage", "ModelsFunction"),
        ("GET", "/v1/usage/req-1/more", "ModelsFunction"),
        ("GET", "/v1/chat", "ModelsFunction"),
        ("POST", "/v1/nowhere", "ModelsFunction"),
        ("GET", "/", "SiteFunction"),
        ("GET", "/models", "SiteFunction"),
        ("GET", "/console/", "SiteFunction"),
        ("GET", "/console/keys", "SiteFunction"),
        ("GET", "/v1", "SiteFunction"),
        ("GET", "/api/site", "SiteFunction"),
        ("GET", "/api/keys", "AccountFunction"),
        ("GET", "/api/usage.csv", "ExportFunction"),
        ("POST", "/api/admin/orders/ord_1/approve", "AdminFunction"),
    ],
)
async def test_the_best_route_of_the_template_wins(method: str, path: str, function: str) -> None:
    assert (await echoed(method, path))["app"] == function


async def test_the_path_reaches_the_function_as_sent() -> None:
    seen = await echoed("GET", "/v1/models/openai%2Fgpt-4o:free?a=1&b=%2F")
    assert seen["raw_path"] == "/v1/models/openai%2Fgpt-4o:free"
    assert seen["path"] == "/v1/models/openai/gpt-4o:free"
    assert seen["query"] == "a=1&b=%2F"


async def test_repeated_and_trailing_slashes_are_gone_for_the_function_too() -> None:
    seen = await echoed("GET", "/v1///models//a%2F%2Fb%20c/")
    assert seen["raw_path"] == "/v1/models/a%2F%2Fb%20c"
    assert seen["path"] == "/v1/models/a//b c"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/chat/completions"),
        ("POST", "/models"),
        ("PUT", "/"),
        ("POST", "/v1"),
        ("POST", "/v1/"),
        ("DELETE", "/v2/models"),
        ("TRACE", "/v1/models"),
        ("POST", "/api"),
        ("POST", "/api/site"),
    ],
)
async def test_an_unknown_url_gets_the_gateways_own_answer_with_a_hint(method: str, path: str) -> None:
    async with client() as http:
        answer = await http.request(method, path)
    assert_error(answer, "MISSING_AUTHENTICATION_TOKEN")
    assert answer.json()["error"]["message"].startswith("Invalid URL")
    assert "base URL that ends in /v1" in answer.json()["error"]["message"]


async def test_the_function_learns_the_request_context() -> None:
    seen = await echoed("POST", "/v1/chat/completions", headers={"x-mine": "kept"}, content=b"{}")
    context = json.loads(header(seen, "x-amzn-request-context")[0])
    assert len(context.pop("requestId")) == 36
    assert context == {
        "identity": {"sourceIp": "203.0.113.7"},
        "stage": "prod",
        "httpMethod": "POST",
        "path": "/prod/v1/chat/completions",
    }
    assert header(seen, "x-mine") == ["kept"]


async def test_a_client_cannot_forge_the_adapters_headers() -> None:
    forged = [
        ("X-Amzn-Request-Context", '{"identity": {"sourceIp": "10.0.0.1"}}'),
        ("x-amzn-request-context", "{}"),
        ("X-Amzn-Lambda-Context", '{"deadline": 1}'),
    ]
    seen = await echoed("GET", "/v1/balance", headers=forged)
    [context] = header(seen, "x-amzn-request-context")
    assert json.loads(context)["identity"]["sourceIp"] == "203.0.113.7"
    assert header(seen, "x-amzn-lambda-context") == []


async def stream(parts: Iterable[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@pytest.mark.parametrize("streamed", [False, True], ids=["announced", "chunked"])
async def test_a_body_at_the_limit_passes_whole(streamed: bool) -> None:
    body = b"x" * BODY_BYTES_MAX
    content = stream([body[: 2**20]] * 6) if streamed else body
    assert (await echoed("POST", "/v1/chat/completions", content=content))["length"] == BODY_BYTES_MAX


@pytest.mark.parametrize("streamed", [False, True], ids=["announced", "chunked"])
async def test_a_body_over_the_limit_is_refused(streamed: bool) -> None:
    body = b"x" * (BODY_BYTES_MAX + 1)
    content = stream([body[:-1], b"x"]) if streamed else body
    async with client() as http:
        answer = await http.post("/v1/chat/completions", content=content)
    assert_error(answer, "REQUEST_TOO_LARGE")
    assert "POST /v1/uploads" in answer.json()["error"]["message"]


async def test_receive_is_untouched_when_the_length_is_announced() -> None:
    received: list[Receive] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        received.append(receive)

    async def receive() -> Message:
        raise AssertionError("nothing to read")

    async def send(message: Message) -> None:
        raise AssertionError("nothing to send")

    gateway = LocalGateway([Route("/x", "POST", "F")], {"F": app}, RESPONSES)
    await gateway(http_scope("POST", b"/x", [(b"content-length", b"3")]), receive, send)
    assert received == [receive]


async def test_a_client_that_leaves_in_mid_upload_never_reaches_the_function() -> None:
    messages: list[Message] = [{"type": "http.disconnect"}, {"type": "http.request", "body": b"a", "more_body": True}]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("called")

    async def receive() -> Message:
        return messages.pop()

    async def send(message: Message) -> None:
        raise AssertionError("nobody listens")

    gateway = LocalGateway([Route("/x", "POST", "F")], {"F": app}, RESPONSES)
    await gateway(http_scope("POST", b"/x", [(b"transfer-encoding", b"chunked")]), receive, send)
    assert messages == []


def http_scope(method: str, raw_path: bytes, headers: list[tuple[bytes, bytes]]) -> Scope:
    return {"type": "http", "method": method, "path": raw_path.decode(), "raw_path": raw_path, "headers": headers}


def test_a_route_without_an_app_stops_the_start() -> None:
    with pytest.raises(ValueError, match="AccountFunction, AdminFunction, AudioFunction, ChatFunction"):
        LocalGateway(TEMPLATE.routes(), {"ModelsFunction": Echo("m")}, RESPONSES)


def test_a_missing_gateway_response_stops_the_start() -> None:
    with pytest.raises(TemplateError, match="REQUEST_TOO_LARGE"):
        LocalGateway([], {}, {"MISSING_AUTHENTICATION_TOKEN": RESPONSES["MISSING_AUTHENTICATION_TOKEN"]})


@pytest.mark.parametrize(
    ("headers", "body"),
    [({"x": "unquoted"}, "{}"), ({"x": "method.request.header.y"}, "{}"), ({}, '{"id": "$context.requestId"}')],
)
def test_gateway_responses_that_we_cannot_render_are_refused(headers: dict[str, str], body: str) -> None:
    with pytest.raises(TemplateError):
        canned({"K": GatewayResponse("K", 400, headers, body)}, "K")
