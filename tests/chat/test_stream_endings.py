"""Every way in which an upstream can end, in the order of the ledger's endings table."""

from collections.abc import Sequence
from typing import Any

import pytest

from multiconnection.calls.upstream import Outcome, UpstreamError
from multiconnection.chat.relay import Meter
from multiconnection.chat.upstream import OpenAiCompatible
from multiconnection.errors import GatewayError, UpstreamFailed, UpstreamRejected, UpstreamTimeout
from multiconnection.providers.errors import AnswerTimedOut, ConnectionCut, TransportFailure
from multiconnection.usage import Ended, Usage, UsageSource
from tests.support.fake_http import FakeHttp, FakeReply
from tests.support.provider_fakes import (
    ANSWER,
    DONE,
    ROLE,
    TOP,
    USAGE,
    a_call,
    a_provider,
    chunk,
    cost_of,
    event,
    relayed,
    usage_chunk,
)

UPSTREAM, PARTIAL, GUESS = UsageSource.UPSTREAM, UsageSource.PARTIAL, UsageSource.ESTIMATED
NO_CHOICES = event({**TOP, "choices": []})
NEGATIVE = usage_chunk({**USAGE, "prompt_tokens": -1})
TEXT_COUNT = usage_chunk({"prompt_tokens": "9", "completion_tokens": 1})
NOTHING_USED = usage_chunk({"prompt_tokens": 0, "completion_tokens": 0})
LESS = usage_chunk({**USAGE, "prompt_tokens": 1})
IN_CHOICE = event({**TOP, "choices": [{"usage": USAGE}]})
FAILED_CHOICE = chunk({}, finish="error", error={"code": 502, "message": "gone"})
REPORTED = Usage(11, output=7)
ESTIMATED = Usage(20, output=2)  # "Hello!!" is 7 bytes
CUT = ConnectionCut("cut")
SILENCE = AnswerTimedOut("silent")
ERROR = event({"error": {"message": "overloaded", "type": "server_error", "code": 503}})
BILLED = a_provider(mid_stream_error_billed=True)
Pieces = Sequence[bytes | TransportFailure]

COMPLETE = [
    ("usage chunk and done", [*ANSWER, usage_chunk(), DONE], REPORTED, UPSTREAM),
    ("usage on the finish chunk", [*ANSWER[:-1], chunk(finish="stop", usage=USAGE), DONE], REPORTED, UPSTREAM),
    ("usage in the choice", [*ANSWER, IN_CHOICE, DONE], REPORTED, UPSTREAM),
    ("the last valid usage", [*ANSWER, LESS, usage_chunk(), DONE], REPORTED, UPSTREAM),
    ("an invalid usage after a valid one", [*ANSWER, usage_chunk(), NEGATIVE, DONE], REPORTED, UPSTREAM),
    ("only early usage", [ROLE, chunk({"content": "x"}, usage=USAGE), *ANSWER[1:], DONE], REPORTED, PARTIAL),
    ("explicit zero", [*ANSWER, NOTHING_USED, DONE], Usage(), UPSTREAM),
    ("no usage", [*ANSWER, DONE], ESTIMATED, GUESS),
    ("invalid usage", [*ANSWER, TEXT_COUNT, DONE], ESTIMATED, GUESS),
    ("no done", [*ANSWER, usage_chunk()], REPORTED, UPSTREAM),
    ("no done, no usage", ANSWER, ESTIMATED, GUESS),
    ("no finish but done", [*ANSWER[:-1], usage_chunk(), DONE], REPORTED, UPSTREAM),
    ("cut after finish and usage", [*ANSWER, usage_chunk(), CUT], REPORTED, UPSTREAM),
    ("silence after finish and usage", [*ANSWER, usage_chunk(), SILENCE], REPORTED, UPSTREAM),
    ("rubbish after done", [*ANSWER, usage_chunk(), DONE, ERROR, b"data: nonsense\n\n"], REPORTED, UPSTREAM),
    ("done without a blank line", [*ANSWER, usage_chunk(), b"data: [DONE]"], REPORTED, UPSTREAM),
    ("empty choices after the usage", [*ANSWER, usage_chunk(), NO_CHOICES, DONE], REPORTED, UPSTREAM),
]

BROKEN = [
    ("error event", [ERROR], UpstreamFailed, "overloaded"),
    ("cut", [CUT], UpstreamFailed, "ended before the answer was complete"),
    ("clean end", [], UpstreamFailed, "ended before the answer was complete"),
    ("silence", [SILENCE], UpstreamTimeout, "in time"),
    ("invalid JSON", [b"data: {nonsense\n\n"], UpstreamFailed, "not an answer"),
    ("a torn event", [b'data: {"choices": [{"ind'], UpstreamFailed, "not an answer"),
    ("error as finish_reason", [chunk(finish="error")], UpstreamFailed, "error"),
    ("error among choices", [FAILED_CHOICE], UpstreamFailed, "gone"),
    ("named error event", [b'event: error\ndata: {"message": "flat"}\n\n'], UpstreamFailed, "flat"),
    ("error in x_groq", [event({**TOP, "choices": [], "x_groq": {"error": "broken"}})], UpstreamFailed, "broken"),
    ("an event that is no object", [b"data: 7\n\n"], UpstreamFailed, "not an answer"),
]


@pytest.mark.parametrize("include_usage", [False, True])
@pytest.mark.parametrize(("pieces", "usage", "source"), [row[1:] for row in COMPLETE], ids=[row[0] for row in COMPLETE])
async def test_a_whole_answer(pieces: Pieces, usage: Usage, source: UsageSource, include_usage: bool) -> None:
    got = await relayed(pieces, a_call(include_usage=include_usage))

    assert got.whole
    assert got.text.endswith("Hello!!")
    assert (got.outcome.usage, got.outcome.source) == (usage, source)
    assert (got.outcome.ended, got.outcome.error) == (Ended.COMPLETE, None)
    assert_usage_as_asked(got.chunks, include_usage, usage, estimated=source is GUESS)


def assert_usage_as_asked(chunks: list[dict[str, Any]], asked: bool, usage: Usage, *, estimated: bool) -> None:
    if not asked:
        assert not any("usage" in chunk or not chunk["choices"] for chunk in chunks)
        return
    assert all(chunk["usage"] is None and chunk["choices"] for chunk in chunks[:-1])
    final = chunks[-1]
    assert final["choices"] == []
    assert final["id"] == chunks[0]["id"]
    assert final["usage"]["prompt_tokens"] == usage.prompt_tokens
    assert final["usage"]["total_tokens"] == usage.prompt_tokens + usage.completion_tokens
    assert final["usage"]["cost"] == float(cost_of(usage))
    assert final["usage"].get("estimated", False) == estimated


@pytest.mark.parametrize("coalesced", [False, True])
@pytest.mark.parametrize("billed", [False, True])
@pytest.mark.parametrize("with_usage", [False, True])
@pytest.mark.parametrize(("end", "kind", "says"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
async def test_a_failure_in_mid_stream(
    end: Pieces, kind: type[GatewayError], says: str, with_usage: bool, billed: bool, coalesced: bool
) -> None:
    shown = [*ANSWER[:-1], chunk({}, usage=USAGE)] if with_usage else ANSWER[:-1]
    pieces: Pieces = [b"".join(shown), *end] if coalesced else [*shown, *end]

    got = await relayed(pieces, a_call(include_usage=True), BILLED if billed else None)

    assert got.text == "Hello!!"
    assert DONE not in got.raw
    assert got.outcome.ended is Ended.MID_STREAM_ERROR
    assert isinstance(got.outcome.error, kind)
    assert says in got.outcome.error.message
    expected = (Usage(), UsageSource.NONE)
    if with_usage:
        expected = (REPORTED, PARTIAL)
    elif billed:
        expected = (ESTIMATED, GUESS)
    assert (got.outcome.usage, got.outcome.source) == expected


@pytest.mark.parametrize("role", [False, True])
@pytest.mark.parametrize("end", [row[1] for row in BROKEN], ids=[row[0] for row in BROKEN])
async def test_a_failure_before_the_first_token_can_be_retried_elsewhere(end: Pieces, role: bool) -> None:
    with pytest.raises(UpstreamError) as caught:
        await relayed([*([ROLE] if role else []), *end], provider=BILLED)
    assert caught.value.retry_elsewhere


@pytest.mark.parametrize(
    "pieces",
    [
        [DONE],
        [b": only\n\n", b"\n\n", b": comments\n\n"],
        [ROLE, DONE],
        [ROLE, usage_chunk(), DONE],
        [event({**TOP, "choices": [], "prompt_filter_results": []}), DONE],
        [b" \n\n "],
        [b"<html>502</html>"],
        [b'[{"error": {"code": 503, "message": "x"}}]'],
        [b'{"error": {"message": "x"}}'],
        [b'{"choices": []}'],
        [b"{torn"],
        [b"[]"],
        [b"plain text"],
    ],
)
async def test_an_empty_or_foreign_answer_is_no_answer(pieces: Pieces) -> None:
    with pytest.raises(UpstreamError) as caught:
        await relayed(pieces)
    assert caught.value.retry_elsewhere
    assert isinstance(caught.value.error, UpstreamFailed)


async def test_a_first_event_about_the_request_is_not_tried_elsewhere() -> None:
    with pytest.raises(UpstreamError) as caught:
        await relayed([event({"error": {"code": 400, "message": "bad temperature", "param": "temperature"}})])
    assert not caught.value.retry_elsewhere
    assert isinstance(caught.value.error, UpstreamRejected)
    assert caught.value.error.param == "temperature"


async def test_a_finish_that_was_cut_off_before_its_usage_is_no_whole_answer() -> None:
    got = await relayed([*ANSWER, CUT])
    assert got.outcome.ended is Ended.MID_STREAM_ERROR
    assert not got.whole


async def test_every_choice_must_finish_unless_done_was_said() -> None:
    pieces = [chunk({"content": "a"}), chunk({"content": "b"}, index=1), chunk(finish="stop")]
    got = await relayed(pieces, a_call(choices=2))
    assert got.outcome.ended is Ended.MID_STREAM_ERROR

    got = await relayed([*pieces, DONE], a_call(choices=2))
    assert got.whole
    finishes = {c["choices"][0]["index"]: c["choices"][0]["finish_reason"] for c in got.chunks}
    assert finishes == {0: "stop", 1: "stop"}


async def test_a_filtered_answer_without_text_is_whole() -> None:
    got = await relayed([chunk({"role": "assistant"}, finish="content_filter"), DONE])
    assert got.whole
    assert got.outcome.usage == Usage(20)


async def test_the_outcome_can_be_asked_before_the_end() -> None:
    usage = {"prompt_tokens": 11, "completion_tokens": 3}
    reply = FakeReply([*ANSWER[:-1], chunk(usage=usage), chunk({"content": "more"})])
    stream = await OpenAiCompatible(FakeHttp([reply])).stream(a_provider(), a_call(), cost_of)
    items = aiter(stream)
    await anext(items)
    await anext(items)
    early = stream.outcome()
    assert (early.ended, early.source, early.usage) == (Ended.DEADLINE, UsageSource.ESTIMATED, Usage(20, output=1))

    for _ in range(3):
        await anext(items)
    await stream.aclose()
    rest = [item async for item in items]

    assert rest == []
    assert reply.closed
    late = stream.outcome()
    assert (late.ended, late.source, late.usage) == (Ended.DEADLINE, UsageSource.PARTIAL, Usage(11, output=3))


def test_before_the_first_token_there_is_nothing_to_charge_for() -> None:
    """A role, and then silence until our deadline: as an answer that never began."""
    meter = Meter(a_call(), a_provider().quirks)
    assert meter.so_far() == Outcome(Usage(), UsageSource.NONE, Ended.DEADLINE)
    meter.substance = True
    assert meter.so_far() == Outcome(Usage(20), UsageSource.ESTIMATED, Ended.DEADLINE)


async def test_a_billing_refusal_in_the_stream_is_never_the_callers() -> None:
    error = event({"error": {"message": "Insufficient credits on sk-acme-secret-0123456789", "code": 402}})
    got = await relayed([*ANSWER[:3], error])
    assert got.outcome.error is not None
    assert got.outcome.error.code == "upstream_auth_error"
    assert "sk-acme" not in got.outcome.error.message


async def test_a_usage_that_nobody_can_write_is_shown_as_ours() -> None:
    odd = b'"half":"\\ud800","none":NaN'
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":11,"completion_tokens":7,%b}}\n\n' % odd
    got = await relayed([*ANSWER, usage, DONE], a_call(include_usage=True))
    assert got.whole
    assert got.outcome.usage == REPORTED
    assert got.chunks[-1]["usage"]["cost"] == float(cost_of(REPORTED))


@pytest.mark.parametrize("levels", [201, 1015, 5000])
@pytest.mark.parametrize("place", ["usage", "delta", "error", "unknown", "list"])
async def test_an_event_that_is_nested_too_deeply_ends_the_answer_and_is_settled(levels: int, place: str) -> None:
    deep = b"[" * levels + b"]" * levels
    payload = {
        "usage": b'{"choices":[],"usage":{"prompt_tokens":11,"completion_tokens":7,"deep":%b}}',
        "delta": b'{"choices":[{"index":0,"delta":{"content":%b}}]}',
        "error": b'{"error":%b}',
        "unknown": b'{"choices":[{"index":0,"delta":{"content":"x"}}],"deep":%b}',
        "list": b"%b",
    }[place] % deep
    got = await relayed([*ANSWER[:3], b"data: %b\n\n" % payload])
    assert not got.whole
    assert got.outcome.ended is Ended.MID_STREAM_ERROR
    assert got.outcome.error is not None
    assert got.outcome.error.http_status == 502
    assert got.outcome.usage == Usage()
