"""Unstreamed answers: checked, normalised, measured."""

from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from multiconnection.domain.errors import ContextTooLong, UpstreamFailed, UpstreamTimeout
from multiconnection.domain.usage import Ended, Usage, UsageSource
from multiconnection.providers import http
from multiconnection.providers.http import AnswerTimedOut, BodyTooLarge, ConnectionCut, TransportFailure, read_body
from multiconnection.providers.openai_compatible import OpenAiCompatible
from multiconnection.services.ports import Completion, UpstreamError
from tests.support.fake_http import FakeHttp, FakeReply
from tests.unit.providers.fakes import USAGE, a_call, a_provider

CALL = a_call(stream=False)
MESSAGE = {"role": "assistant", "content": "Hello!!"}
BODY = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 5,
    "model": "m-1",
    "choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop", "logprobs": None}],
    "service_tier": "default",
}


async def completed(*pieces: bytes | TransportFailure) -> Completion:
    reply = FakeReply(pieces)
    try:
        return await OpenAiCompatible(FakeHttp([reply])).complete(a_provider(), CALL)
    finally:
        assert reply.closed


async def test_usage_is_normalised_and_the_rest_passes() -> None:
    raw = orjson.dumps(BODY | {"usage": USAGE | {"cost": 0.01}})
    got = await completed(b"\n\n", b" \n", raw[:20], raw[20:])
    assert (got.outcome.usage, got.outcome.source) == (Usage(11, output=7), UsageSource.UPSTREAM)
    assert got.outcome.ended is Ended.COMPLETE
    assert {name: got.body[name] for name in BODY} == BODY
    assert got.body["usage"]["total_tokens"] == 18
    assert "cost" not in got.body["usage"]


@pytest.mark.parametrize("usage", [None, {}, [], "x", USAGE | {"completion_tokens": -1}])
async def test_without_valid_usage_the_text_is_estimated(usage: object) -> None:
    got = await completed(orjson.dumps(BODY | {"usage": usage}))
    assert (got.outcome.usage, got.outcome.source) == (Usage(20, output=2), UsageSource.ESTIMATED)
    assert "usage" not in got.body


async def test_gaps_are_filled() -> None:
    tool = {"function": {"name": "f", "arguments": {"a": 1}}}
    got = await completed(orjson.dumps({"choices": [{"message": {"tool_calls": [tool, 7, tool]}}, "odd"]}))
    (choice,) = got.body["choices"]
    assert got.body["object"] == "chat.completion"
    assert got.body["id"].startswith("chatcmpl-")
    assert got.body["model"] == "public-name"
    assert (choice["index"], choice["finish_reason"]) == (0, "tool_calls")
    assert (choice["message"]["role"], choice["message"]["content"]) == ("assistant", None)
    calls = choice["message"]["tool_calls"]
    assert [call["function"] for call in calls] == [{"name": "f", "arguments": '{"a":1}'}] * 2
    assert all(call["id"] and call["type"] == "function" and "index" not in call for call in calls)


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [b" \n"],
        [b"<html>"],
        [b"[]"],
        [b"{}"],
        [b'{"choices": {}}'],
        [b'{"choices": []}'],
        [orjson.dumps({"choices": [], "usage": USAGE})],
        [b'{"choices": [{"message": {"content": ""}, "finish_reason": null}]}'],
        [b'{"choices": [{"message": {"content": "x"}, "finish_reason": "error"}]}'],
        [b'{"error": {"message": "x", "code": 502}}'],
        [b'{"error": "x", "choices": []}'],
        [b"data: {}\n\n"],
        [b'{"choices": [', ConnectionCut("x")],
        [b"[" * 100_000],
    ],
)
async def test_anything_else_is_a_failure_that_costs_nothing(pieces: Sequence[Any]) -> None:
    with pytest.raises(UpstreamError) as caught:
        await completed(*pieces)
    assert type(caught.value.error) is UpstreamFailed
    assert caught.value.retry_elsewhere


async def test_silence_is_a_timeout() -> None:
    with pytest.raises(UpstreamError) as caught:
        await completed(b"\n", AnswerTimedOut("x"))
    assert isinstance(caught.value.error, UpstreamTimeout)


async def test_an_error_in_a_200_has_the_status_it_names() -> None:
    with pytest.raises(UpstreamError) as caught:
        await completed(
            b'{"error": {"message": "too long", "code": "context_length_exceeded", "type": "invalid_request_error"}}'
        )
    assert isinstance(caught.value.error, ContextTooLong)


async def test_the_body_is_bounded_and_blank_lines_are_no_progress() -> None:
    reply = FakeReply([b"\n", b"x"])
    assert await read_body(reply) == b"\nx"
    assert reply.idle_since > 0
    reply = FakeReply([b"\n"] * 5)
    await read_body(reply)
    assert reply.idle_since == 0
    reply = FakeReply([b"x" * 10] * 5)
    with pytest.raises(BodyTooLarge):
        await read_body(reply, 42)
    assert reply.closed
    assert http.BODY_BYTES_MAX == 32 * 1024 * 1024


async def test_the_body_can_always_be_written_again() -> None:
    got = await completed(b'{"choices": [{"message": {"content": "a\\ud83d"}, "finish_reason": "stop"}], "big": 1e9}')
    assert orjson.loads(orjson.dumps(got.body))["choices"][0]["message"]["content"] == "a?"
    deep = b"[" * 600 + b"]" * 600
    with pytest.raises(UpstreamError):
        await completed(b'{"choices": [{"message": {"content": "a"}}], "deep": %b}' % deep)
