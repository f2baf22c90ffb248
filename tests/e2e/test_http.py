"""The gateway at the level of HTTP: headers, CORS, routes, limits, hostile requests."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.e2e.support.customers import Customer, chat_body, new_key
from tests.e2e.support.sdks import wrong_key
from tests.e2e.support.stack import LocalStack

BODY_BYTES_MAX = 6 * 1024 * 1024
SLASHED = "openai/gpt-oss-20b:free"
RATE_LIMITS = [f"x-ratelimit-{what}-{of}" for what in ("limit", "remaining", "reset") for of in ("requests", "tokens")]
CHAT = "/v1/chat/completions"
JSON = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request and the error it deserves; `key` is "" for none."""

    name: str
    status: int
    code: str | None
    method: str = "POST"
    path: str = CHAT
    key: str | None = None
    content: bytes = json.dumps(chat_body()).encode()
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),)
    # API Gateway answers these itself and knows no limits.
    from_a_function: bool = True


REFUSED = (
    Asked("no key", 401, "api_key_required", key=""),
    Asked("wrong key", 401, "invalid_api_key", key=wrong_key()),
    Asked("malformed key", 401, "invalid_api_key", key="sk-live-nonsense"),
    Asked("unfunded", 402, "insufficient_balance"),
    Asked("unknown model", 404, "model_not_found", content=json.dumps(chat_body("no/such:model")).encode()),
    Asked("unknown path", 404, "unknown_url", path="/v1/foo"),
    Asked("unknown path below chat", 404, "unknown_url", path=f"{CHAT}/extra"),
    Asked("without /v1", 404, "unknown_url", path="/chat/completions", from_a_function=False),
    Asked("GET of chat", 405, "method_not_allowed", method="GET", content=b""),
    Asked("DELETE of a model", 405, "method_not_allowed", method="DELETE", path=f"/v1/models/{SLASHED}", content=b""),
    Asked("too large", 413, "request_too_large", content=b"x" * (BODY_BYTES_MAX + 1), from_a_function=False),
    Asked("no JSON by type", 415, "unsupported_media_type", headers=(("content-type", "text/plain"),)),
    Asked("compressed", 415, "unsupported_media_type", headers=(*JSON.items(), ("content-encoding", "gzip"))),
    Asked("torn JSON", 400, None, content=b'{"model": "demo-chat", "messages": ['),
    Asked("a list", 400, None, content=b"[]"),
    Asked("no messages", 400, "missing_required_parameter", content=b'{"model": "demo-chat"}'),
    Asked("no model", 400, "missing_required_parameter", content=b'{"messages": []}'),
    Asked("an unbounded cost", 400, "unsupported_parameter", content=json.dumps(chat_body(background=True)).encode()),
)


@pytest.fixture(scope="module")
def unfunded(stack: LocalStack) -> Customer:
    """An account without any credit, so that a call that passes every check costs nothing and says 402."""
    stack.cli("account", "create", "Unfunded", "--id", "unfunded")
    return new_key(stack, "unfunded")


def send(stack: LocalStack, asked: Asked, key: str) -> httpx.Response:
    secret = key if asked.key is None else asked.key
    authorization = {"authorization": f"Bearer {secret}"} if secret else {}
    url = stack.base_url.removesuffix("/v1") + asked.path
    return stack.http.request(asked.method, url, content=asked.content, headers=dict(asked.headers) | authorization)


@pytest.mark.parametrize("asked", REFUSED, ids=lambda asked: asked.name)
def test_a_refusal_has_its_status_code_one_shape_an_id_and_cors(
    stack: LocalStack, unfunded: Customer, asked: Asked
) -> None:
    answer = send(stack, asked, unfunded.api_key)
    assert answer.status_code == asked.status, answer.text
    assert set(answer.json()) == {"error"}
    error: dict[str, Any] = answer.json()["error"]
    assert error["code"] == asked.code
    assert isinstance(error["message"], str)
    assert {"message", "type", "param", "code"} <= set(error)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]
    assert answer.headers["access-control-allow-origin"] == "*"
    assert {"x-request-id", "retry-after", "x-should-retry"} <= exposed(answer)
    if asked.from_a_function:
        assert [name for name in RATE_LIMITS if name not in answer.headers] == []
        assert set(RATE_LIMITS) <= exposed(answer)


def exposed(answer: httpx.Response) -> set[str]:
    return set(answer.headers["access-control-expose-headers"].split(", "))


def test_a_missing_key_is_asked_for(stack: LocalStack) -> None:
    answer = stack.http.get(f"{stack.base_url}/models")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_a_wrong_method_is_told_the_right_one(demo: Customer) -> None:
    assert demo.get("/chat/completions").headers["allow"] == "POST"


def test_a_base_url_without_v1_is_told_so(demo: Customer, stack: LocalStack) -> None:
    answer = stack.http.post(f"{stack.base_url.removesuffix('/v1')}/chat/completions", json={}, headers=demo.headers)
    assert "/v1" in answer.json()["error"]["message"]


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_has_an_id_limits_and_cors(demo: Customer, stream: bool) -> None:
    answer = demo.chat(stream=stream)
    assert answer.status_code == 200
    assert answer.headers["x-request-id"].startswith("req_")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert int(answer.headers["x-ratelimit-remaining-requests"]) <= int(answer.headers["x-ratelimit-limit-requests"])
    assert [name for name in RATE_LIMITS if name not in answer.headers] == []


def test_a_stream_is_neither_buffered_nor_cached_nor_compressed(demo: Customer) -> None:
    headers = demo.chat(stream=True).headers
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-cache", "no")
    assert "content-encoding" not in headers


def test_the_accept_header_does_not_decide(demo: Customer, stack: LocalStack) -> None:
    url, headers = f"{stack.base_url}/chat/completions", demo.headers
    streamed = stack.http.post(url, json=chat_body(stream=True), headers=headers | {"accept": "application/json"})
    whole = stack.http.post(url, json=chat_body(), headers=headers | {"accept": "text/event-stream"})
    assert streamed.text.startswith("data: ")
    assert whole.json()["object"] == "chat.completion"


@pytest.mark.parametrize("path", ["/chat/completions", "/models", f"/models/{SLASHED}", "/balance", "/foo"])
def test_a_preflight_is_answered_without_a_key(stack: LocalStack, path: str) -> None:
    wanted = "authorization,content-type,x-stainless-retry-count"
    answer = stack.http.options(
        f"{stack.base_url}{path}",
        headers={
            "origin": "https://example.com",
            "access-control-request-method": "POST",
            "access-control-request-headers": wanted,
        },
    )
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-headers"] == wanted
    assert {"GET", "POST", "DELETE", "OPTIONS"} <= set(answer.headers["access-control-allow-methods"].split(", "))
    assert int(answer.headers["access-control-max-age"]) > 0
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("path", [SLASHED, quote(SLASHED, safe=""), quote(SLASHED, safe=":")])
def test_a_model_is_found_by_its_raw_and_its_encoded_id(demo: Customer, path: str) -> None:
    answer = demo.get(f"/models/{path}")
    assert (answer.status_code, answer.json()["id"]) == (200, SLASHED)


@pytest.mark.parametrize("path", ["//chat/completions", "/chat//completions", "/chat/completions/"])
def test_stray_slashes_do_no_harm(demo: Customer, stack: LocalStack, path: str) -> None:
    answer = stack.http.post(f"{stack.base_url}{path}", json=chat_body(), headers=demo.headers)
    assert answer.status_code == 200, answer.text


def test_a_header_of_20_kb_is_accepted(demo: Customer) -> None:
    assert demo.get("/models/demo-chat", **{"x-codex-turn-metadata": "a" * 20_480}).status_code == 200


def test_a_body_just_below_the_limit_is_read(unfunded: Customer) -> None:
    answer = unfunded.chat(text="x" * (BODY_BYTES_MAX - 200))
    assert answer.json()["error"]["code"] == "context_length_exceeded"


def test_a_key_in_x_api_key_works_too(demo: Customer, stack: LocalStack) -> None:
    assert stack.http.get(f"{stack.base_url}/models", headers={"x-api-key": demo.api_key}).status_code == 200


def test_the_public_price_list_needs_no_key(stack: LocalStack) -> None:
    listed = stack.http.get(f"{stack.base_url.removesuffix('/v1')}/api/models").json()["data"]
    prices = next(model["prices"] for model in listed if model["id"] == "demo-chat")
    assert (float(prices["input"]), float(prices["output"])) == (0.10, 0.40)


@pytest.fixture(scope="module")
def restricted(stack: LocalStack, demo: Customer) -> Customer:
    """A key that may be used from 10.0.0.0/8 only."""
    return new_key(stack, demo.account_id, "--ip", "10.0.0.0/8")


@pytest.mark.parametrize(
    "claim",
    [
        {},
        {"x-amzn-request-context": json.dumps({"identity": {"sourceIp": "10.1.2.3"}, "stage": "prod"})},
        {"x-forwarded-for": "10.1.2.3"},
        {"x-forwarded-for": "10.1.2.3, 10.1.2.4", "x-forwarded-proto": "https"},
        {"forwarded": "for=10.1.2.3", "x-real-ip": "10.1.2.3", "cf-connecting-ip": "10.1.2.3"},
    ],
    ids=lambda claim: next(iter(claim), "nothing"),
)
def test_an_address_cannot_be_made_up(restricted: Customer, claim: dict[str, str]) -> None:
    answer = restricted.get("/models/demo-chat", **claim)
    assert answer.status_code == 403, answer.text
    assert answer.json()["error"]["code"] == "ip_not_authorized"


def test_the_row_of_another_account_is_not_there(demo: Customer, unfunded: Customer) -> None:
    request_id = demo.chat().headers["x-request-id"]
    answer = unfunded.get(f"/usage/{request_id}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "usage_not_found")
