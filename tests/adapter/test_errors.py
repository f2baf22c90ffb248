"""Every kind of error through the real adapter: status, headers and our one error shape."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from local.processes import HOST, free_port
from tests.support.adapter_world import Customer, NewCustomer
from tests.support.chat_body import chat_body
from tests.support.gateway_event import gateway_event
from tests.support.invocation import Answer
from tests.support.sandbox import NewSandbox, Sandbox

pytestmark = [pytest.mark.adapter, pytest.mark.asyncio(loop_scope="session")]

UNKNOWN_KEY = f"sk-live-{'A' * 40}"


@dataclass(frozen=True)
class Case:
    """`account` and `event` are the options of `new_account` and `gateway_event`; `headers` must be in the answer."""

    status: int
    code: str | None
    type: str
    body: object = field(default_factory=chat_body)
    account: Mapping[str, Any] = field(default_factory=dict)
    event: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


INVALID = "invalid_request_error"
CASES = {
    "broken json": Case(400, None, INVALID, body="{"),
    "no model": Case(400, "missing_required_parameter", INVALID, body={"messages": []}),
    "no key": Case(401, "api_key_required", INVALID, event={"api_key": None}, headers={"www-authenticate": "Bearer"}),
    "unknown key": Case(
        401, "invalid_api_key", INVALID, event={"api_key": UNKNOWN_KEY}, headers={"www-authenticate": "Bearer"}
    ),
    "no money": Case(402, "insufficient_balance", "insufficient_quota", account={"credit_usd": "0"}),
    "other model": Case(403, "model_not_allowed", "permission_error", account={"models": ("demo-slow",)}),
    "other address": Case(403, "ip_not_authorized", "permission_error", account={"ip_ranges": ("192.0.2.1",)}),
    "no such model": Case(404, "model_not_found", INVALID, body=chat_body(model="no-such-model")),
    "no such url": Case(404, "unknown_url", INVALID, event={"path": "/v1/chat/nonsense"}),
    "wrong method": Case(405, "method_not_allowed", INVALID, event={"method": "GET"}, headers={"allow": "POST"}),
    "too large": Case(413, "request_too_large", INVALID, body="x" * (6 * 1024 * 1024 + 1)),
    "not json": Case(
        415, "unsupported_media_type", INVALID, body="a=1", event={"headers": {"Content-Type": "text/plain"}}
    ),
    "busy upstream": Case(
        429, "rate_limited", "requests", body=chat_body(model="demo-error-429"), headers={"retry-after": "1"}
    ),
    "failing upstream": Case(502, "upstream_error", "server_error", body=chat_body(model="demo-error-500")),
    "failing upstream, streamed": Case(
        502, "upstream_error", "server_error", body=chat_body(model="demo-error-500", stream=True)
    ),
    "first event an error": Case(
        502, "upstream_error", "server_error", body=chat_body(model="demo-first-event-error", stream=True)
    ),
    "our key at the upstream": Case(502, "upstream_auth_error", "server_error", body=chat_body(model="demo-error-401")),
    "upstream's own 400": Case(400, "unsupported_value", INVALID, body=chat_body(model="demo-error-400")),
}


def assert_error(answer: Answer, status: int, code: str | None, kind: str) -> None:
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"].startswith("req_")
    assert answer.headers["access-control-allow-origin"] == "*"
    error = answer.json()["error"]
    assert (error["code"], error["type"]) == (code, kind)
    assert set(error) >= {"message", "param"}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_an_error_keeps_status_headers_and_shape(sandbox: Sandbox, new_account: NewCustomer, case: Case) -> None:
    customer = await new_account(**case.account)
    event = {"api_key": customer.api_key} | dict(case.event)
    answer = await sandbox.invoke(gateway_event(case.body, **event))

    assert_error(answer, case.status, case.code, case.type)
    assert {name: answer.headers.get(name) for name in case.headers} == dict(case.headers)
    image = await customer.image()
    assert (image.charged, image.held, image.live_holds) == (0, 0, 0)


async def test_a_used_up_limit_says_when_to_come_back(sandbox: Sandbox, new_account: NewCustomer) -> None:
    customer = await new_account(requests_per_minute=1)
    event = gateway_event(chat_body(), api_key=customer.api_key)
    assert (await sandbox.invoke(event)).status == 200
    answer = await sandbox.invoke(event)

    assert_error(answer, 429, "rate_limited", "requests")
    assert answer.json()["error"]["reason"] == "key_requests"
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert answer.headers["x-ratelimit-limit-requests"] == "1"
    assert answer.headers["x-ratelimit-remaining-requests"] == "0"
    assert (await customer.settled_row()).ended == "complete"


async def test_without_its_tables_the_function_refuses_and_asks_to_retry(
    new_sandbox: NewSandbox, customer: Customer
) -> None:
    alone = await new_sandbox(AWS_ENDPOINT_URL=f"http://{HOST}:{free_port()}")
    answer = await alone.invoke(gateway_event(chat_body(), api_key=customer.api_key))
    assert_error(answer, 503, "ledger_unavailable", "server_error")
    assert answer.headers["retry-after"] == "1"
