"""Providers as they are: what differs between them in names, shapes and bytes, and the one shape that callers get."""

import json
import time
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import orjson
import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from multiconnection.calls.upstream import UpstreamError
from multiconnection.catalog.models import Quirks
from multiconnection.chat.answers import FINISH_REASONS
from multiconnection.chat.upstream import OpenAiCompatible, completion_in, messages_for
from multiconnection.errors import ParameterUnsupported, UpstreamFailed
from multiconnection.providers.errors import ENDED_EARLY
from multiconnection.usage import Usage, UsageSource
from tests.support.chat_world import ChatWorld, a_model
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
    event,
    relayed,
    usage_chunk,
)

WHOLE = a_call(streamed=False)
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def body(message: Any, finish: Any = "stop", **more: Any) -> bytes:
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return orjson.dumps({**TOP, "object": "chat.completion", "choices": [choice], "usage": USAGE, **more})


def whole(raw: bytes, **changes: Any) -> dict[str, Any]:
    return completion_in(raw, a_provider(), a_call(streamed=False, **changes)).body


def message_of(raw: bytes) -> dict[str, Any]:
    message: dict[str, Any] = whole(raw)["choices"][0]["message"]
    return message


async def deltas(*pieces: bytes) -> list[dict[str, Any]]:
    got = await relayed(pieces if pieces[0].startswith(b"{") else [*pieces, DONE])
    assert got.whole
    return [part["choices"][0]["delta"] for part in got.chunks]


# Finish reasons

SHOWN = {
    "stop": "stop STOP eos eos_token end_turn stop_sequence COMPLETE FINISH_REASON_STOP something-of-its-own",
    "length": "length max_tokens MAX_TOKENS model_length max-output-tokens insufficient_system_resource",
    "content_filter": "content_filter SAFETY RECITATION PROHIBITED_CONTENT refusal sensitive",
    "tool_calls": "tool_calls tool_use TOOL_CALL tool-calls",
    "function_call": "function_call",
}
WORDS = [(word, shown) for shown, words in SHOWN.items() for word in words.split()]


@pytest.mark.parametrize(("word", "shown"), WORDS)
@pytest.mark.parametrize("legacy", [False, True])
async def test_a_provider_s_own_finish_reason_becomes_openai_s(word: str, shown: str, legacy: bool) -> None:
    text = {"choices": [{"index": 0, "text": "x", "finish_reason": word}]} if legacy else {}
    assert whole(body({"content": "x"}, word, **text), legacy=legacy)["choices"][0]["finish_reason"] == shown
    ending = event({**TOP, **text}) if legacy else chunk(finish=word)
    first = event({**TOP, "choices": [{"index": 0, "text": "y"}]}) if legacy else ROLE
    got = await relayed([first, ending, DONE], a_call(legacy=legacy))
    assert [part["choices"][0]["finish_reason"] for part in got.chunks] == [None, shown]
    as_json = await relayed([body({"content": "x"}, word, **text)], a_call(legacy=legacy))
    assert as_json.chunks[-1]["choices"][0]["finish_reason"] == shown


def test_no_word_is_forwarded_that_is_not_openai_s() -> None:
    openai = {"stop", "length", "tool_calls", "content_filter", "function_call"}
    assert set(FINISH_REASONS.values()) <= openai | {None, "error"}


@pytest.mark.parametrize("word", ["null", "", "None", None, 7, {}, "FINISH_REASON_UNSPECIFIED"])
async def test_what_is_no_finish_reason_ends_nothing(word: Any) -> None:
    part = {**TOP, "choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": word}]}
    got = await relayed([event(part), event(part), chunk(finish="length"), DONE])
    assert [one["choices"][0]["finish_reason"] for one in got.chunks] == [None, None, "length"]


@pytest.mark.parametrize(
    ("calls", "shown"),
    [({"tool_calls": [CALL]}, "tool_calls"), ({"function_call": CALL["function"]}, "function_call")],
)
@pytest.mark.parametrize(("word", "kept"), [("stop", False), ("STOP", False), ("eos", False), ("length", True)])
async def test_an_answer_of_calls_ends_with_calls(calls: dict[str, Any], shown: str, word: str, kept: bool) -> None:
    shown = "length" if kept else shown
    assert whole(body({"content": None, **calls}, word))["choices"][0]["finish_reason"] == shown
    for pieces in ([ROLE, chunk(calls), chunk(finish=word)], [chunk(calls, word)], [body(calls, word)]):
        got = await relayed(pieces if pieces[0].startswith(b"{") else [*pieces, DONE])
        assert got.chunks[-1]["choices"][0]["finish_reason"] == shown


@pytest.mark.parametrize("word", ["error", "ERROR", "network_error"])
async def test_a_finish_that_is_a_failure_is_one(word: str) -> None:
    with pytest.raises(UpstreamError):
        whole(body({"content": "x"}, word))
    got = await relayed([*ANSWER[:3], chunk(finish=word), DONE])
    assert not got.whole
    assert isinstance(got.outcome.error, UpstreamFailed)


# Content and thoughts

THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "17*23 "}, {"type": "text", "text": "is 391"}]}
TEXT = {"type": "text", "text": "391"}


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"content": [THOUGHT, TEXT]}, {"content": "391", "reasoning_content": "17*23 is 391"}),
        ({"content": [THOUGHT]}, {"content": None, "reasoning_content": "17*23 is 391"}),
        ({"content": [TEXT, TEXT]}, {"content": "391391"}),
        ({"content": ["a", TEXT, {"type": "reference", "reference_ids": [1]}, 7, None]}, {"content": "a391"}),
        ({"content": TEXT}, {"content": "391"}),
        ({"content": []}, {"content": None}),
        ({"content": [{"type": "refusal", "refusal": "no"}]}, {"content": None, "refusal": "no"}),
        ({"content": [{"type": "thinking", "thinking": "hm"}]}, {"content": None, "reasoning_content": "hm"}),
        ({"content": "x", "thinking": "hm"}, {"content": "x", "reasoning_content": "hm", "thinking": "hm"}),
        ({"content": "x", "reasoning": "hm"}, {"content": "x", "reasoning_content": "hm", "reasoning": "hm"}),
        ({"content": "x", "reasoning_content": [TEXT]}, {"content": "x", "reasoning_content": "391"}),
        ({"content": "x", "reasoning_content": "a", "reasoning": "b"},) * 2,
        ({"content": "x", "reasoning": {"effort": 1}}, {"content": "x", "reasoning": {"effort": 1}}),
    ],
)
async def test_content_is_one_text_and_thoughts_have_one_name(given: dict[str, Any], shown: dict[str, Any]) -> None:
    assert message_of(body(given)) == shown | {"role": "assistant"}
    first, *_ = await deltas(chunk({"role": "assistant", **given}), chunk(finish="stop"))
    assert first == shown | {"role": "assistant"}
    whole_for_a_stream = await deltas(body(given))
    assert whole_for_a_stream[0] == {k: v for k, v in shown.items() if v is not None} | {"role": "assistant"}


async def test_thoughts_under_the_provider_s_name_take_the_fast_path() -> None:
    """One template for all of them: each event says the thought under both names, and nothing of an earlier one."""
    texts = ["a", "b\\n", "€", "d"]
    pieces = [b"data: " + json.dumps(orjson.loads(chunk({"reasoning": text})[6:])).encode() + b"\n\n" for text in texts]
    got = await relayed([ROLE, *pieces, chunk(finish="stop"), DONE])
    assert got.raw.count(b"\\u20ac") == 2, "a chunk that a template knows keeps its escapes"
    shown = [part["choices"][0]["delta"] for part in got.chunks[1:-1]]
    assert shown == [{"reasoning": text, "reasoning_content": text} for text in texts]
    assert got.outcome.usage.output == 2  # 1 + 3 + 3 + 1 bytes, each counted once


async def test_the_same_thought_under_both_names_is_left_alone() -> None:
    pieces = [chunk({"reasoning": text, "reasoning_content": other}) for text, other in ("aa", "ba", "cc")]
    got = await relayed([ROLE, *pieces, chunk(finish="stop"), DONE])
    shown = [part["choices"][0]["delta"] for part in got.chunks[1:-1]]
    assert [(delta["reasoning"], delta["reasoning_content"]) for delta in shown] == [("a", "a"), ("b", "a"), ("c", "c")]


@pytest.mark.parametrize("name", ["message", "delta", "text"])
async def test_what_was_said_is_found_where_it_should_not_be(name: str) -> None:
    said: Any = "hi" if name == "text" else {"content": "hi"}
    choice = {"index": 0, name: said, "finish_reason": "stop"}
    raw = orjson.dumps({**TOP, "choices": [choice]})
    assert message_of(raw) == {"role": "assistant", "content": "hi"}
    assert set(whole(raw)["choices"][0]) == {"index", "message", "finish_reason"}
    assert (await deltas(b"data: " + raw + b"\n\n"))[0] == {"role": "assistant", "content": "hi"}


# Bytes

CONTROLS = "a\tb\x1b[1mc\x01\x7f\x85\u2028"


def unescaped(raw: bytes) -> bytes:
    for escape, byte in ((b"\\t", b"\t"), (b"\\u001b", b"\x1b"), (b"\\u0001", b"\x01")):
        raw = raw.replace(escape, byte)
    return raw


async def test_control_characters_that_nobody_escaped_are_read_and_escaped() -> None:
    assert message_of(unescaped(body({"content": CONTROLS})))["content"] == CONTROLS
    assert (
        message_of(body({"content": "a\nb\rc"}).replace(b"\\n", b"\n").replace(b"\\r", b"\r"))["content"] == "a\nb\rc"
    )
    got = await relayed(
        [ROLE, *(unescaped(chunk({"content": CONTROLS})) for _ in range(3)), chunk(finish="stop"), DONE]
    )
    assert got.text == CONTROLS * 3
    assert not any(byte in got.raw for byte in (b"\t", b"\x1b", b"\x01"))


async def test_no_event_has_a_line_end_inside_whatever_a_client_takes_for_one() -> None:
    """U+2028, U+2029 and U+0085 end lines for `splitlines`, and so for httpx's `iter_lines`."""
    text = "a\u2028b\u2029c\x85d\x0be\x1cf€"
    got = await relayed([ROLE, *(chunk({"content": text}) for _ in range(3)), chunk(finish="stop"), DONE])
    assert got.text == text * 3
    assert got.raw.decode().splitlines() == got.raw.decode().split("\n")[:-1]


async def test_a_line_feed_that_nobody_escaped_is_read_too() -> None:
    got = await relayed([ROLE, chunk({"content": "one\ntwo"}).replace(b"\\n", b"\n"), chunk(finish="stop"), DONE])
    assert got.text == "one\ntwo"


async def test_bytes_that_are_no_utf_8_are_shown_as_such() -> None:
    assert message_of(body({"content": "a€b"}).replace("€".encode(), b"\xe2\x82"))["content"] == "a\ufffdb"
    pieces = [chunk({"content": "a€b"}).replace("€".encode(), b"\xff") for _ in range(3)]
    got = await relayed([ROLE, *pieces, chunk(finish="stop"), DONE])
    assert got.text == "a\ufffdb" * 3
    got.raw.decode()


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
async def test_events_that_are_separated_by_one_line_end(end: bytes) -> None:
    events = [*ANSWER, usage_chunk(), DONE]
    lines = [part.strip() + end for part in events]
    for pieces in (lines, [b"".join(lines)], [b"\xef\xbb\xbf", *lines]):
        got = await relayed(pieces, a_call(include_usage=True))
        assert (got.text, got.whole) == ("Hello!!", True)
        assert got.outcome.usage == Usage(11, output=7)


# Names


async def test_id_model_and_time_are_one_over_a_stream() -> None:
    parts = [
        event(
            {
                **TOP,
                "id": f"r-{n}",
                "created": n + 1,
                "model": f"m{n}",
                "choices": [{"index": 0, "delta": {"content": "x"}}],
            }
        )
        for n in range(4)
    ]
    got = await relayed([*parts, chunk(finish="stop"), usage_chunk(), DONE], a_call(include_usage=True))
    assert {(part["id"], part["created"], part["model"]) for part in got.chunks} == {("r-0", 1, "m0")}


# Events for a plain request

TOOLS = [
    chunk({"role": "assistant", "content": None, "reasoning_content": "h"}),
    chunk({"reasoning_content": "m"}),
    chunk({"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}]}),
    chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"x"'}}]}),
    chunk({"tool_calls": [{"index": 0, "function": {"arguments": ": 1}"}}]}),
    chunk({"tool_calls": [{"id": "b", "function": {"name": "g", "arguments": "{}"}, "extra_content": {"g": "s"}}]}),
    chunk(finish="stop"),
    usage_chunk(),
    DONE,
]


async def completed(raw: bytes, **changes: Any) -> Any:
    dialect = OpenAiCompatible(FakeHttp([FakeReply([raw[:9], raw[9:]])]))
    return await dialect.complete(a_provider(), a_call(streamed=False, **changes))


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf", b"\n\n ", b": comment\n\n", b"event: message\n", b"id: 1\n"])
async def test_events_for_a_plain_request_are_put_together(start: bytes) -> None:
    got = await completed(start + b"".join([*ANSWER, usage_chunk(), DONE]))
    assert got.outcome.usage == Usage(11, output=7)
    assert got.outcome.source is UsageSource.UPSTREAM
    assert got.body["choices"] == [
        {"index": 0, "finish_reason": "stop", "logprobs": None, "message": {"role": "assistant", "content": "Hello!!"}}
    ]
    assert got.body["object"] == "chat.completion"
    ChatCompletion.model_validate(got.body)


async def test_what_is_put_together_is_what_the_official_sdk_would() -> None:
    raw = b"".join(TOOLS)
    message = (await completed(raw)).body["choices"][0]["message"]
    state = ChatCompletionStreamState()
    for part in (await relayed(TOOLS)).chunks:
        state.handle_chunk(ChatCompletionChunk.model_validate(part))
    theirs = state.get_final_completion().choices[0].message
    assert theirs.tool_calls is not None
    assert [(call["id"], call["function"]) for call in message["tool_calls"]] == [
        (call.id, {"name": call.function.name, "arguments": call.function.arguments}) for call in theirs.tool_calls
    ]
    assert message["tool_calls"][1]["extra_content"] == {"g": "s"}
    assert (message["content"], message["reasoning_content"]) == (None, "hm")


async def test_choices_logprobs_and_texts_are_put_together() -> None:
    token = {"token": "x", "logprob": -1, "bytes": None, "top_logprobs": []}
    pieces = [
        event({**TOP, "choices": [{"index": n, "delta": {"content": "x"}, "logprobs": {"content": [token]}}]})
        for n in (1, 0, 1)
    ]
    got = await completed(b"".join([*pieces, chunk(finish="stop"), DONE]), choices=2)
    assert [choice["message"]["content"] for choice in got.body["choices"]] == ["x", "xx"]
    assert [len(choice["logprobs"]["content"]) for choice in got.body["choices"]] == [1, 2]
    assert [choice["finish_reason"] for choice in got.body["choices"]] == ["stop", "stop"]
    texts = [event({**TOP, "choices": [{"index": 0, "text": text}]}) for text in ("a", "b")]
    legacy = await completed(b"".join([*texts, DONE]), legacy=True)
    assert legacy.body["choices"] == [{"index": 0, "text": "ab", "finish_reason": "stop", "logprobs": None}]


@pytest.mark.parametrize(
    "raw",
    [
        b"data: [DONE]\n\n",
        b"data: {}\n\n",
        b": nothing\n\n",
        b"".join(ANSWER[:3]),
        b"".join([*ANSWER[:3], event({"error": {"message": "x", "code": 502}}), DONE]),
        b"".join([ROLE, chunk(finish="error"), DONE]),
        b"data: {\n\n",
        b"data: []\n\n",
        b"data: 7\n\n",
    ],
)
async def test_events_that_are_no_whole_answer_cost_nothing(raw: bytes) -> None:
    with pytest.raises(UpstreamError) as caught:
        await completed(raw)
    assert caught.value.retry_elsewhere
    assert caught.value.outcome().usage == Usage()


async def test_a_stream_cut_short_is_no_answer() -> None:
    with pytest.raises(UpstreamError) as caught:
        await completed(b"".join(ANSWER[:3]))
    assert caught.value.error.message == ENDED_EARLY


NONSENSE: list[Any] = [
    *({"tool_calls": value} for value in (None, [CALL], "x")),
    *({"audio": value} for value in (None, "x", {"data": "y"})),
    *({"content": 7}, {"content": {"text": "x"}}, {"annotations": [1]}, {"annotations": {}}),
    *({"function_call": {"name": 7}}, {"reasoning": [1]}),
]


@pytest.mark.parametrize("first", NONSENSE)
@pytest.mark.parametrize("second", NONSENSE)
async def test_members_that_change_their_kind_break_nothing(first: Any, second: Any) -> None:
    got = await completed(
        b"".join([*ANSWER[:2], chunk(first), chunk(second), chunk(first), chunk(finish="stop"), DONE])
    )
    orjson.loads(orjson.dumps(got.body))


def test_a_long_answer_is_put_together_in_linear_time() -> None:
    def seconds(times: int) -> float:
        raw = b"".join([*[chunk({"content": "x" * 40, "reasoning_content": "y"})] * times, chunk(finish="stop"), DONE])
        began = time.process_time()
        whole(raw)
        return time.process_time() - began

    assert seconds(16_000) <= 16 * 2.5 * max(seconds(1_000), 2e-3)


# Requests


@pytest.mark.parametrize(("quirk", "role"), [(True, "developer"), (False, "system")])
def test_developer_is_sent_where_it_is_known(quirk: bool, role: str) -> None:
    given = [{"role": "developer", "content": "Be terse", "name": "n"}, {"role": "user", "content": "hi"}]
    assert messages_for(Quirks(developer_role=quirk), given) == [given[0] | {"role": role}, given[1]]
    assert given[0]["role"] == "developer"


THINKING = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
BACK: Iterable[tuple[str, dict[str, Any]]] = [
    ("reasoning_content", {"content": "x", "reasoning_content": "hm"}),
    ("reasoning", {"content": "x", "reasoning": "hm"}),
    ("content", {"content": [THINKING, {"type": "text", "text": "x"}]}),
    ("", {"content": "x"}),
]


@pytest.mark.parametrize(("where", "sent"), BACK)
@pytest.mark.parametrize(
    "given",
    [
        {"content": "x", "reasoning_content": "hm"},
        {"content": "x", "reasoning": "hm"},
        {"content": "x", "reasoning": "hm", "reasoning_content": "hm"},
        {"content": "x", "reasoning": "hm", "reasoning_content": None},
        {"content": "x", "thinking": "hm"},
        {"content": [THINKING, {"type": "text", "text": "x"}]},
        {"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "x"}]},
    ],
)
def test_thoughts_come_back_as_the_provider_takes_them(where: str, sent: dict[str, Any], given: dict[str, Any]) -> None:
    history = [
        {"role": "assistant", **given, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "ok"},
    ]
    first, second = messages_for(Quirks(thoughts_field=where), history)
    text = [{"type": "text", "text": "x"}]
    plain = {**first, "content": "x"} if first["content"] == text else first
    assert plain == {"role": "assistant", **sent, "tool_calls": [CALL]}
    assert second is history[1]


def test_a_history_without_any_of_that_is_sent_as_it_is() -> None:
    history: list[dict[str, Any]] = [
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
        {"role": "assistant", "content": None, "reasoning_content": "hm", "refusal": None, "tool_calls": [CALL]},
        {"role": "user", "content": "x", "reasoning": "mine"},
    ]
    assert messages_for(Quirks(), history) is history


def test_only_the_text_of_a_thought_is_forwarded() -> None:
    """Its part is never sent as it came: what else stands in it was not bounded."""
    hidden: dict[str, Any] = {"type": "image_url", "image_url": {"url": "https://x.example/large.png"}}
    given: list[dict[str, Any]] = [
        {"role": "assistant", "content": [{"type": "thinking", "thinking": [hidden, {"text": "hm"}], "file": 1}]}
    ]
    for where in ("reasoning_content", "reasoning", "content", ""):
        assert "large.png" not in json.dumps(messages_for(Quirks(thoughts_field=where), given))


@pytest.mark.parametrize("role", ["user", "system", "tool"])
async def test_a_thought_of_anybody_else_is_refused(role: str) -> None:
    world = ChatWorld()
    with pytest.raises(ParameterUnsupported):
        await world.answer(await world.caller(), messages=[{"role": role, "content": [THINKING]}])


async def test_an_assistant_s_thought_is_accepted_back() -> None:
    world = ChatWorld()
    messages = [{"role": "assistant", "content": [THINKING]}, {"role": "user", "content": "hi"}]
    client = await world.call(await world.caller(), messages=messages)
    assert client.refused is None


# Money

NESTED: list[tuple[str, list[dict[str, Any]]]] = [
    ("in a chunk without choices", [{"choices": [], "usage": USAGE}]),
    ("in the last chunk with choices", [{"choices": [{"index": 0, "delta": {}}], "usage": USAGE}]),
    ("in x_groq", [{"choices": [{"index": 0, "delta": {}}], "x_groq": {"id": "r", "usage": USAGE}}]),
    ("in x_groq and again", [{"choices": [], "x_groq": {"usage": USAGE}}, {"choices": [], "usage": USAGE}]),
    ("in a choice", [{"choices": [{"index": 0, "delta": {}, "usage": USAGE}]}]),
    ("in every chunk", [{"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": n}} for n in (1, 4, 7)]),
    ("with a total that has more", [{"choices": [], "usage": USAGE | {"completion_tokens": 2}}]),
    ("without completion", [{"choices": [], "usage": {"prompt_tokens": 11, "total_tokens": 18}}]),
]


@pytest.mark.parametrize("events", [False, True], ids=["json", "events"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("parts", [row[1] for row in NESTED], ids=[row[0] for row in NESTED])
async def test_usage_is_charged_once_wherever_it_is_and_shown_as_charged(
    parts: list[dict[str, Any]], stream: bool, events: bool
) -> None:
    """In the ledger: the charge is the shown usage at its price, 1,000 and 2,000 n$ a token."""
    if events:
        raw = b"".join([*ANSWER, *(event({**TOP, **part}) for part in parts), DONE])
    else:
        last: dict[str, Any] = {}
        for part in parts:
            last |= {name: value for name, value in part.items() if name != "choices"}
        choice = {"index": 0, "message": {"content": "Hello!!"}, "finish_reason": "stop"}
        nested = next((c["usage"] for c in parts[-1]["choices"] if "usage" in c), None)
        raw = orjson.dumps({**TOP, **last, "choices": [choice | ({"usage": nested} if nested else {})]})
    world = ChatWorld(a_model(preamble_tokens=100))
    world.connect(FakeHttp([FakeReply([raw])]))
    client = await world.call(await world.caller(), stream=stream, stream_options={"include_usage": True})
    row = await world.settled_row()
    assert (row.usage, row.usage_source) == (Usage(11, output=7), UsageSource.UPSTREAM)
    assert row.cost == 11 * 1000 + 7 * 2000
    assert (await world.account()).available == 10**9 - row.cost
    if client.body is None:
        shown = orjson.loads(client.text.split(b"\n\n")[-3].removeprefix(b"data: "))["usage"]
    else:
        shown = client.body["usage"]
    assert (shown["prompt_tokens"], shown["completion_tokens"], shown["total_tokens"]) == (11, 7, 18)
    assert Decimal(str(shown["cost"])) == Decimal(row.cost) / 10**9
