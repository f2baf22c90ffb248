"""Whole answers through the real adapter: framing, prelude, headers, bodies small and large."""

import pytest

from tests.support.adapter_world import Customer
from tests.support.chat_body import chat_body
from tests.support.fake_lambda import Extension
from tests.support.gateway_event import gateway_event
from tests.support.invocation import DELIMITER
from tests.support.sandbox import Sandbox

pytestmark = [pytest.mark.adapter, pytest.mark.asyncio(loop_scope="session")]

TEN_MB = 10_000_000
LARGE_HEADER = "x" * 16_000


async def test_the_adapter_registers_as_an_extension_that_wants_no_events(sandbox: Sandbox) -> None:
    assert sandbox.runtime.extensions == [Extension("lambda-adapter", [])]
    assert sandbox.runtime.problems == []


async def test_an_answer_is_framed_as_lambda_streams_it(sandbox: Sandbox, customer: Customer) -> None:
    invocation = sandbox.begin(gateway_event(chat_body(), api_key=customer.api_key))
    answer = await sandbox.finish(invocation)

    sent = invocation.response_headers
    assert sent["transfer-encoding"] == "chunked"
    assert sent["lambda-runtime-function-response-mode"] == "streaming"
    assert sent["content-type"] == "application/vnd.awslambda.http-integration-response"
    assert invocation.trailers == {}
    assert set(invocation.prelude) == {"statusCode", "headers", "cookies"}
    assert invocation.raw.count(DELIMITER) == 1
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert int(answer.headers["content-length"]) == len(answer.body)


async def test_a_json_answer_has_its_usage_its_cost_and_its_headers(sandbox: Sandbox, customer: Customer) -> None:
    answer = await sandbox.invoke(gateway_event(chat_body("Grüße, 世界 🌍"), api_key=customer.api_key))

    body = answer.json()
    assert body["choices"][0]["message"]["content"].endswith("You said: Grüße, 世界 🌍")
    row = await customer.settled_row()
    assert body["usage"]["prompt_tokens"] == row.usage.prompt_tokens
    assert body["usage"]["cost"] * 10**9 == pytest.approx(row.cost)
    assert answer.headers["x-request-id"] == f"req_{row.hold_id}"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert int(answer.headers["x-ratelimit-remaining-requests"]) > 0


async def test_a_body_in_base64_and_large_headers_arrive_whole(sandbox: Sandbox, customer: Customer) -> None:
    event = gateway_event(
        chat_body("in base64"), api_key=customer.api_key, encoded=True, headers={"X-Agent-State": LARGE_HEADER}
    )
    answer = await sandbox.invoke(event)
    assert answer.status == 200
    assert answer.json()["choices"][0]["message"]["content"].endswith("in base64")


@pytest.mark.parametrize("stream", [False, True], ids=["json", "sse"])
async def test_an_answer_of_more_than_ten_megabytes_arrives_whole(
    sandbox: Sandbox, customer: Customer, stream: bool
) -> None:
    event = gateway_event(chat_body(model="demo-big-event", stream=stream, n=2), api_key=customer.api_key)
    answer = await sandbox.invoke(event)

    assert answer.status == 200
    assert len(answer.body) > TEN_MB
    assert answer.body.count(b"x" * 6_000_000) == 2
    if stream:
        assert answer.events()[-1] == "[DONE]"
    else:
        assert int(answer.headers["content-length"]) == len(answer.body)
    assert (await customer.settled_row()).ended == "complete"


async def test_a_preflight_needs_no_key_and_names_what_is_allowed(sandbox: Sandbox) -> None:
    asked = {"Origin": "https://app.example.com", "Access-Control-Request-Headers": "authorization, x-stainless-lang"}
    answer = await sandbox.invoke(gateway_event(method="OPTIONS", headers=asked))
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-headers"] == "authorization, x-stainless-lang"
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-origin"] == "*"
