"""A call that would outlive its invocation is ended by us, in time, told to the caller, and billed."""

import json
import time

import pytest

from tests.support.adapter_world import Customer
from tests.support.chat_body import chat_body
from tests.support.gateway_event import gateway_event
from tests.support.invocation import Invocation
from tests.support.sandbox import Sandbox

pytestmark = [pytest.mark.adapter, pytest.mark.asyncio(loop_scope="session")]

# What the deployed function keeps for its own error and for settling.
MARGIN_S = 15.0
LEFT_S = 1.5


def assert_in_time(invocation: Invocation) -> None:
    assert time.time() * 1000 < invocation.deadline_ms


async def test_a_stream_is_ended_with_an_error_event_and_its_usage_is_charged(
    sandbox: Sandbox, customer: Customer
) -> None:
    body = chat_body(stream=True, demo={"text": "demo", "chunks": 600, "delay_ms": 100})
    invocation = sandbox.begin(gateway_event(body, api_key=customer.api_key), MARGIN_S + LEFT_S)
    answer = await sandbox.finish(invocation)
    assert_in_time(invocation)

    assert answer.status == 200
    *before, last = [json.loads(event) for event in answer.events()]
    assert any(chunk["choices"][0]["delta"].get("content") for chunk in before)
    assert last["error"]["code"] == "upstream_timeout"
    assert b"[DONE]" not in answer.body
    assert b"Runtime.StreamError" not in answer.body
    row = await customer.settled_row()
    assert (row.ended, row.usage_source) == ("deadline", "estimated")
    assert row.cost > 0


async def test_a_stream_that_never_began_ends_in_an_error_event(sandbox: Sandbox, customer: Customer) -> None:
    body = chat_body(model="demo-hang", stream=True)
    invocation = sandbox.begin(gateway_event(body, api_key=customer.api_key), MARGIN_S + LEFT_S)
    answer = await sandbox.finish(invocation)
    assert_in_time(invocation)

    [event] = answer.events()
    assert json.loads(event)["error"]["code"] == "upstream_timeout"
    row = await customer.settled_row()
    assert (row.ended, row.cost) == ("deadline", 0)


async def test_an_unstreamed_call_is_answered_with_504(sandbox: Sandbox, customer: Customer) -> None:
    event = gateway_event(chat_body(model="demo-hang"), api_key=customer.api_key)
    invocation = sandbox.begin(event, MARGIN_S + LEFT_S)
    answer = await sandbox.finish(invocation)
    assert_in_time(invocation)

    assert (answer.status, answer.json()["error"]["code"]) == (504, "upstream_timeout")
    assert answer.headers["x-should-retry"] == "false"
    row = await customer.settled_row()
    assert (row.ended, row.cost) == ("deadline", 0)
