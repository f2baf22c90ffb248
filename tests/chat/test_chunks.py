"""Chunks as the SDKs want them, whatever the provider sent and however the bytes were cut."""

import json
import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiconnection.catalog.models import Provider
from multiconnection.chat.relay import Relay
from multiconnection.providers.sse import EventSplitter
from multiconnection.usage import Ended, Usage, UsageSource
from tests.support.provider_fakes import (
    ANSWER,
    DONE,
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

TEXTS = ["plain", 'quo"te', "back\\slash", "€ 😀", "\n\t\x01", "", '","x":"', "[DONE]", '"usage"', "\\", "data: x\n\n"]


def spaced(value: object) -> bytes:
    """As Python servers write it: spaces, escapes."""
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def a_chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {**TOP, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}


def run(stream: list[bytes], templates_max: int, provider: Provider, include_usage: bool = False) -> tuple[Any, Any]:
    relay = Relay(provider, a_call(include_usage=include_usage, choices=3), cost_of, templates_max)
    splitter = EventSplitter()
    shown = b"".join(relay.accept(splitter.feed(piece)) for piece in stream)
    shown += b"".join(relay.end(None))
    events = [line.removeprefix(b"data: ") for line in shown.split(b"\n\n")[:-1]]
    return [line if line == b"[DONE]" else json.loads(line) for line in events], relay.outcome()


deltas = st.fixed_dictionaries(
    {},
    optional={
        "role": st.just("assistant"),
        "content": st.one_of(st.none(), st.sampled_from(TEXTS), st.text()),
        "reasoning_content": st.one_of(st.none(), st.sampled_from(TEXTS)),
        "reasoning": st.sampled_from(TEXTS),
        "refusal": st.one_of(st.none(), st.sampled_from(TEXTS)),
        "tool_calls": st.one_of(
            st.none(),
            st.lists(
                st.fixed_dictionaries(
                    {
                        "function": st.fixed_dictionaries(
                            {},
                            optional={"name": st.sampled_from("fg"), "arguments": st.sampled_from(["{}", *TEXTS])},
                        )
                    },
                    optional={"index": st.integers(0, 1), "id": st.sampled_from(["a", "b", ""])},
                ),
                max_size=2,
            ),
        ),
    },
)
chunks = st.builds(
    lambda delta, index, finish, more: {
        **TOP,
        "choices": [{"index": index, "delta": delta, "finish_reason": finish}],
        **more,
    },
    deltas,
    st.integers(0, 2),
    st.sampled_from([None, None, None, None, "", "stop"]),
    st.fixed_dictionaries(
        {},
        optional={
            "usage": st.sampled_from([None, USAGE, {"prompt_tokens": -1}]),
            "obfuscation": st.sampled_from(["abc", "", "x\\y", "Z9"]),
            "logprobs": st.none(),
        },
    ),
)


def comparable(shown: Any) -> str:
    """Ids that we make up differ between two runs."""
    text = json.dumps([value.decode() if isinstance(value, bytes) else value for value in shown], sort_keys=True)
    return re.sub(r"call_[0-9a-f]{24}", "call_x", text)


@given(st.lists(chunks, max_size=12), st.booleans(), st.booleans(), st.lists(st.sampled_from(TEXTS), max_size=8))
def test_the_fast_path_means_the_same_as_parsing_every_chunk(
    stream: list[dict[str, Any]], as_python_writes: bool, include_usage: bool, tail: list[str]
) -> None:
    stream = stream + [a_chunk({"content": text}) for text in tail] + [a_chunk({}, "stop")]
    write = spaced if as_python_writes else event
    wire = [write(value) for value in stream] + [DONE]
    fast, slow = run(wire, 8, a_provider(), include_usage), run(wire, 0, a_provider(), include_usage)
    assert comparable(fast[0]) == comparable(slow[0])
    assert len(fast[0]) == len(slow[0])
    assert fast[1] == slow[1]


@given(st.lists(st.integers(0, 5000), max_size=25), st.booleans())
def test_cutting_the_bytes_anywhere_changes_nothing(places: list[int], include_usage: bool) -> None:
    stream = b"".join(
        [*ANSWER[:2], *(chunk({"content": text}) for text in TEXTS), chunk(finish="stop"), usage_chunk(), DONE]
    )
    bounds = [0, *sorted(place % len(stream) for place in places), len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(bounds)]
    assert run(pieces, 8, a_provider(), include_usage) == run([stream], 8, a_provider(), include_usage)


async def test_uninteresting_events_of_one_read_are_one_item_and_their_text_is_untouched() -> None:
    texts = [chunk({"content": f"t{i}"}) for i in range(5)]
    got = await relayed([ANSWER[0], texts[0], b"".join(texts[1:]), chunk(finish="stop"), DONE])
    assert got.items[2] == b"".join(texts[1:])


async def test_gaps_are_filled_from_what_was_seen_first() -> None:
    azure = event({"id": "", "model": "", "object": "", "created": 0, "choices": [], "prompt_filter_results": [{}]})
    filters = event({"id": "", "object": "", "choices": [{"index": 0, "content_filter_results": {}}]})
    got = await relayed([azure, *ANSWER[:-1], filters, event({"choices": [{"finish_reason": "stop"}]}), DONE])
    assert got.whole
    for part in got.chunks:
        assert {name: part[name] for name in TOP} == TOP
        assert part["choices"][0].keys() >= {"index", "delta", "finish_reason"}
    assert got.chunks[-2]["choices"][0]["delta"] == {}


async def test_chunks_without_anything_get_an_identity_of_their_own() -> None:
    got = await relayed(
        [event({"choices": [{"delta": {"content": "a"}}]}), event({"choices": [{"delta": {"content": "b"}}]}), DONE]
    )
    ids = {part["id"] for part in got.chunks}
    assert len(ids) == 1
    assert ids.pop().startswith("chatcmpl-")
    assert {part["model"] for part in got.chunks} == {"public-name"}
    assert got.chunks[0]["choices"][0]["delta"] == {"content": "a", "role": "assistant"}


async def test_the_role_comes_once_per_choice() -> None:
    pieces = [chunk({"role": "assistant", "content": t}, index=i) for t, i in [("a", 0), ("b", 1), ("c", 0), ("d", 1)]]
    got = await relayed([*pieces, DONE], a_call(choices=2))
    roles = [part["choices"][0]["delta"].get("role") for part in got.chunks[:4]]
    assert roles == ["assistant", "assistant", None, None]


@pytest.mark.parametrize("index", [-1, 7, True, "0", None, 1.0])
async def test_an_index_nobody_asked_for_is_the_first_choice(index: object) -> None:
    got = await relayed([event({**TOP, "choices": [{"index": index, "delta": {"content": "a"}}]}), DONE])
    assert {part["choices"][0]["index"] for part in got.chunks} == {0}


async def test_an_escaped_half_of_a_surrogate_pair_passes() -> None:
    halves = [
        b'data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n' % half for half in (b"\\ud83d", b"\\ude00")
    ]
    got = await relayed([ANSWER[0], ANSWER[1], ANSWER[2], *halves, DONE])
    assert b"\\ud83d" in got.raw
    assert b"\\ude00" in got.raw
    assert got.outcome.usage == Usage(20, output=3)  # 5 + 3 + 3 bytes


async def test_padding_survives_and_does_not_slow_the_stream_down() -> None:
    padded = [chunk({"content": "x" * i}, usage=None, obfuscation="aZ9" * (i + 1)) for i in range(4)]
    got = await relayed([ANSWER[0], *padded, chunk(finish="stop"), DONE])
    assert [part.get("obfuscation") for part in got.chunks[1:5]] == ["aZ9" * (i + 1) for i in range(4)]
    assert not any("usage" in part for part in got.chunks)


async def test_estimates_count_all_that_was_delivered() -> None:
    delta = {
        "content": "1234",
        "reasoning_content": "1234",
        "reasoning": "1234",
        "refusal": "€",
        "tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "1234"}}],
    }
    got = await relayed([chunk(delta), chunk({"content": [{"type": "thinking", "thinking": [{"text": "12"}]}]}), DONE])
    assert got.outcome.source is UsageSource.ESTIMATED
    assert got.outcome.usage == Usage(20, output=5)  # 4 + 4 (one thought, two names) + 3 + 1 + 4 + 2 = 18 bytes


async def test_an_estimate_never_exceeds_the_bounds_sent_upstream() -> None:
    got = await relayed([chunk({"content": "x" * 10_000}), DONE], a_call(output_tokens_max=5, prompt_tokens_max=7))
    assert got.outcome.usage == Usage(7, output=5)


async def test_comments_are_swallowed_and_are_no_sign_of_life() -> None:
    got = await relayed([b": keep-alive\n\n", *ANSWER, b": OPENROUTER PROCESSING\n\n", usage_chunk(), DONE])
    assert b": " not in got.raw.replace(b"data: ", b"")
    assert got.whole


async def test_cumulative_usage_on_every_chunk() -> None:
    steps = [
        chunk({"content": "x"}, usage={"prompt_tokens": 9, "completion_tokens": i, "total_tokens": 12 + i})
        for i in (1, 2)
    ]
    last = chunk(finish="stop", usage={"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 22})
    got = await relayed([*steps, last, DONE], a_call(include_usage=True))
    assert got.outcome.usage == Usage(9, output=13)
    assert [part["usage"] is None for part in got.chunks] == [True, True, True, False]


async def test_groq_usage_counts_once() -> None:
    last = chunk(finish="stop", x_groq={"id": "r", "usage": {**USAGE, "queue_time": 0.1}})
    got = await relayed([*ANSWER[:-1], last, usage_chunk(), DONE], a_call(), a_provider())
    assert got.outcome.usage == Usage(11, output=7)
    assert b"usage" not in got.raw


async def test_a_completion_for_a_stream_request_becomes_a_stream() -> None:
    tool = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    body = {
        "id": "chatcmpl-9",
        "object": "chat.completion",
        "created": 5,
        "model": "m-1",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello", "refusal": None},
                "finish_reason": "stop",
            },
            {"index": 1, "message": {"content": None, "tool_calls": [tool]}, "finish_reason": "tool_calls"},
        ],
        "usage": USAGE,
    }
    raw = b"\n\n  " + json.dumps(body, indent=1).encode()
    got = await relayed([raw[:3], raw[3:40], raw[40:]], a_call(include_usage=True, choices=2))
    assert got.whole
    assert got.outcome.ended is Ended.COMPLETE
    assert got.outcome.usage == Usage(11, output=7)
    deltas = [part["choices"][0]["delta"] for part in got.chunks[:-1]]
    assert deltas == [
        {"role": "assistant", "content": "Hello"},
        {},
        {"role": "assistant", "tool_calls": [tool | {"index": 0}]},
        {},
    ]
    assert got.chunks[-1]["usage"]["cost"] == float(cost_of(got.outcome.usage))
