"""Unstreamed answers: checked, normalised, measured."""

from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from multiconnection.calls.upstream import Completion, UpstreamError
from multiconnection.chat.upstream import OpenAiCompatible
from multiconnection.errors import ContextTooLong, UpstreamFailed, UpstreamTimeout
from multiconnection.providers import http
from multiconnection.providers.errors import AnswerTimedOut, BodyTooLarge, ConnectionCut, TransportFailure
from multiconnection.providers.http import read_body
from multiconnection.usage import Ended, Usage, UsageSource
from tests.support.fake_http import FakeHttp, FakeReply
from tests.support.provider_fakes import ROLE, USAGE, a_call, a_provider, chunk, relayed, usage_chunk

CALL = a_call(streamed=False)
MESSAGE = {"role": "assistant", "content": "Hello!!"}
BODY = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 5,
    "model": "m-1",
    "choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop", "logprobs": None}],
    "service_tier": "default",
}


async def completed(*pieces: bytes | TransportFailure) -> Completion[dict[str, Any]]:
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


ABSURD = [
    (USAGE | {"prompt_tokens": 5001}, Usage(20, output=7)),
    (USAGE | {"prompt_tokens": 500_000_000}, Usage(20, output=7)),
    (USAGE | {"completion_tokens": 1001, "total_tokens": 1012}, Usage(11, output=2)),
    (USAGE | {"total_tokens": 500_000_000}, Usage(11, output=2)),
    (USAGE | {"prompt_tokens": 10**12, "completion_tokens": 10**12}, Usage(20, output=2)),
    (
        {"prompt_tokens": 11, "completion_tokens_details": {"reasoning_tokens": 10**8}, "completion_tokens": 7},
        Usage(11, output=2),
    ),
]


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("usage", "charged"), ABSURD)
async def test_more_than_the_bound_is_not_believed(
    usage: dict[str, Any], charged: Usage, stream: bool, legacy: bool
) -> None:
    """The call's bound is 5,000 tokens of prompt and 1,000 of output; without a report it is 20, and the text's 2."""
    call = a_call(streamed=stream, include_usage=True, legacy=legacy)
    text = {"choices": [{"index": 0, "text": "Hello!!", "finish_reason": "stop"}]} if legacy else {}
    body = BODY | text | {"usage": usage}
    if stream:
        got = await relayed([orjson.dumps(body)], call)
        outcome, shown = got.outcome, got.chunks[-1]["usage"]
    else:
        whole = await OpenAiCompatible(FakeHttp([FakeReply([orjson.dumps(body)])])).complete(a_provider(), call)
        assert "usage" not in whole.body, "the service shows what is charged"
        outcome, shown = whole.outcome, whole.outcome.usage.as_openai() | {"estimated": True}
    assert (outcome.usage, outcome.source, outcome.ended) == (charged, UsageSource.ESTIMATED, Ended.COMPLETE)
    assert outcome.disbelieved is not None
    assert outcome.disbelieved.prompt_tokens > 5000 or outcome.disbelieved.completion_tokens > 1000
    assert (shown["prompt_tokens"], shown["completion_tokens"]) == (charged.prompt_tokens, charged.completion_tokens)
    assert shown["estimated"] is True


@pytest.mark.parametrize(("completion", "source"), [(6000, UsageSource.UPSTREAM), (6001, UsageSource.ESTIMATED)])
async def test_all_that_is_generated_for_best_of_is_within_the_bound(completion: int, source: UsageSource) -> None:
    call = a_call(streamed=False, choices=2, generated=6)
    raw = orjson.dumps(BODY | {"usage": {"prompt_tokens": 5, "completion_tokens": completion}})
    got = await OpenAiCompatible(FakeHttp([FakeReply([raw])])).complete(a_provider(), call)
    assert got.outcome.source is source


async def test_an_earlier_usage_stands_where_the_last_one_cannot_be_right() -> None:
    """Cumulative usage on each chunk, and nonsense on the last: the answer is whole all the same."""
    early = chunk({"content": "lo"}, usage=USAGE)
    got = await relayed(
        [ROLE, early, chunk(finish="stop"), usage_chunk(USAGE | {"prompt_tokens": 10**8}), ConnectionCut("")]
    )
    assert (got.outcome.usage, got.outcome.source) == (Usage(11, output=7), UsageSource.PARTIAL)
    assert got.outcome.ended is Ended.COMPLETE
    assert got.outcome.disbelieved is not None


async def test_a_later_usage_that_can_be_right_makes_good_for_an_earlier_one() -> None:
    early = chunk({"content": "lo"}, usage=USAGE | {"prompt_tokens": 10**8})
    got = await relayed([ROLE, early, chunk(finish="stop"), usage_chunk(USAGE)])
    assert (got.outcome.usage, got.outcome.source) == (Usage(11, output=7), UsageSource.UPSTREAM)
    assert got.outcome.disbelieved is None


@pytest.mark.parametrize("billed", [False, True])
async def test_a_broken_stream_with_nonsense_for_usage_is_as_one_without(billed: bool) -> None:
    nonsense = chunk({"content": "Hello!!"}, usage=USAGE | {"prompt_tokens": 10**8})
    got = await relayed([ROLE, nonsense, ConnectionCut("")], provider=a_provider(mid_stream_error_billed=billed))
    assert got.outcome.usage == (Usage(20, output=7) if billed else Usage())
    assert got.outcome.disbelieved is not None


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
