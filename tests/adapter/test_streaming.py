"""Server-sent events through the real adapter: as they come, with keep-alives, and with honest ends."""

import json

import pytest

from tests.support.adapter_world import Customer
from tests.support.chat_body import chat_body
from tests.support.gateway_event import gateway_event
from tests.support.invocation import Invocation
from tests.support.sandbox import Sandbox

pytestmark = [pytest.mark.adapter, pytest.mark.asyncio(loop_scope="session")]

CHUNKS, DELAY_MS = 10, 100
KEEP_ALIVE = b": keep-alive\n"


def content_times_s(invocation: Invocation) -> list[float]:
    """When each event with a word of the answer came."""
    return [chunk.at_s for chunk in invocation.body_chunks() for _ in range(chunk.data.count(b'"content":"demo'))]


async def test_events_arrive_while_the_upstream_is_still_writing(sandbox: Sandbox, customer: Customer) -> None:
    demo = {"text": "demo", "chunks": CHUNKS, "delay_ms": DELAY_MS}
    event = gateway_event(chat_body(stream=True, demo=demo), api_key=customer.api_key)
    invocation = sandbox.begin(event)
    await invocation.until(lambda one: b'"content":"demo' in one.raw)
    assert invocation.ended_s is None
    answer = await sandbox.finish(invocation)

    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert "content-length" not in answer.headers
    assert answer.events()[-1] == "[DONE]"
    times_s = content_times_s(invocation)
    assert len(times_s) == CHUNKS
    # The upstream writes over (CHUNKS - 1) delays; a buffer anywhere on the way would bring everything at once.
    assert times_s[-1] - times_s[0] > (CHUNKS - 1) * DELAY_MS / 1000 / 2
    assert len(set(times_s)) > CHUNKS / 2


async def test_a_usage_chunk_with_the_cost_comes_when_asked_for(sandbox: Sandbox, customer: Customer) -> None:
    body = chat_body(stream=True, stream_options={"include_usage": True})
    answer = await sandbox.invoke(gateway_event(body, api_key=customer.api_key))
    usage = json.loads(answer.events()[-2])["usage"]
    assert usage["cost"] * 10**9 == pytest.approx((await customer.settled_row()).cost)


async def test_silence_is_filled_with_comments(sandbox: Sandbox, customer: Customer) -> None:
    body = chat_body(stream=True, demo={"first_delay_ms": 2500})
    invocation = sandbox.begin(gateway_event(body, api_key=customer.api_key))
    await invocation.until(lambda one: KEEP_ALIVE in one.raw)
    assert b"data:" not in invocation.raw
    answer = await sandbox.finish(invocation)

    assert answer.status == 200
    assert answer.body.startswith(KEEP_ALIVE)
    assert answer.body.count(KEEP_ALIVE) >= 2
    assert answer.events()[-1] == "[DONE]"
    assert (await customer.settled_row()).ended == "complete"


@pytest.mark.parametrize("model", ["demo-fail-midstream", "demo-cut", "demo-eof"])
async def test_a_failure_in_mid_stream_ends_in_band(sandbox: Sandbox, customer: Customer, model: str) -> None:
    invocation = sandbox.begin(gateway_event(chat_body(model=model, stream=True), api_key=customer.api_key))
    answer = await sandbox.finish(invocation)

    assert answer.status == 200
    *before, last = [json.loads(event) for event in answer.events()]
    assert any(chunk["choices"][0]["delta"].get("content") for chunk in before)
    assert (last["error"]["type"], last["error"]["code"]) == ("server_error", "upstream_error")
    assert b"[DONE]" not in answer.body
    # What the adapter appends to a body that breaks off.
    assert b"Runtime.StreamError" not in answer.body
    assert b"Lambda-Runtime-Function-Error" not in answer.body
    assert invocation.trailers == {}
    assert (await customer.settled_row()).ended == "mid_stream_error"
