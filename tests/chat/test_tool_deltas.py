"""Tool-call deltas of all providers, put together again by the official SDK's own accumulator."""

import json
import tracemalloc
from collections.abc import Callable, Iterable
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from multiconnection.chat.relay import Relay
from multiconnection.chat.tool_calls import PENDING_BYTES_MAX, PENDING_MAX, Arguments, ToolDeltas, complete_calls
from multiconnection.providers.sse import EventSplitter
from tests.support.provider_fakes import DONE, Relayed, a_call, a_provider, chunk, cost_of, relayed

A, B = '{"city": "Rome"}', '{"x": [1, 2]}'


def call(**members: Any) -> dict[str, Any]:
    function = {name: members.pop(name) for name in ("name", "arguments") if name in members}
    return {**members, "function": function}


OPENAI = [
    [call(index=0, id="a", type="function", name="f", arguments="")],
    [call(index=0, arguments=A[:5])],
    [call(index=0, arguments=A[5:])],
    [call(index=1, id="b", type="function", name="g", arguments="")],
    [call(index=1, arguments=B)],
]
SHAPES: dict[str, Iterable[list[dict[str, Any]]]] = {
    "openai": OPENAI,
    "no index": [[{k: v for k, v in entry.items() if k != "index"} for entry in row] for row in OPENAI[:3]]
    + [[call(id="b", name="g", arguments=B)]],
    "id and name on every delta, nothing else": [
        [call(id="a", name="f", arguments=A[:5])],
        [call(id="a", name="f", arguments=A[5:])],
        [call(id="b", name="g", arguments=B[:1])],
        [call(id="b", name="g", arguments=B[1:])],
    ],
    "index 0 for every call": [
        [call(index=0, id="a", name="f", arguments=A)],
        [call(index=0, id="b", name="g", arguments=B[:4])],
        [call(index=0, arguments=B[4:])],
    ],
    "whole calls in one delta, ids empty": [[call(id="", name="f", arguments=A), call(id="", name="g", arguments=B)]],
    "whole calls one by one, no ids": [[call(name="f", arguments=A)], [call(name="g", arguments=B)]],
    "empty id and name later": [
        [call(index=0, id="a", name="f", arguments="")],
        [call(index=0, id="", name="", type=None, arguments=A)],
        [call(index=1, id="b", name="g", arguments=None)],
        [call(index=1, id=None, name=None, arguments=B)],
    ],
    "arguments as an object": [[call(index=0, id="a", name="f", arguments={"city": "Rome"})], OPENAI[3], OPENAI[4]],
    "id after the name": [
        [call(index=0, name="f")],
        [call(index=0, id="a", arguments=A)],
        [call(index=1, id="b", name="g", arguments=B)],
    ],
    "interleaved": [OPENAI[0], OPENAI[3], [call(index=1, arguments=B)], [call(index=0, arguments=A)]],
    "name in two pieces": [
        [call(index=0, id="a", name="", arguments="")],
        [call(index=0, name="f", arguments=A)],
        [call(index=1, id="b", name="g", arguments=B)],
    ],
    "one id for all, by index": [
        [call(index=0, id="a", name="f", arguments="")],
        [call(index=0, arguments=A)],
        [call(index=1, id="a", name="g", arguments="")],
        [call(index=1, arguments=B)],
    ],
    "one id for all, on every delta, interleaved": [
        [call(index=0, id="a", name="f", arguments="")],
        [call(index=1, id="a", name="g", arguments="")],
        [call(index=0, id="a", arguments=A)],
        [call(index=1, id="a", arguments=B)],
    ],
    "one id and index 0 for all, whole": [
        [call(index=0, id="a", name="f", arguments=A)],
        [call(index=0, id="a", name="g", arguments=B)],
    ],
    "whole, empty id, index 0": [
        [call(index=0, id="", name="f", arguments=A)],
        [call(index=0, id="", name="g", arguments=B)],
    ],
    "whole, no id, index 0": [[call(index=0, name="f", arguments=A)], [call(index=0, name="g", arguments=B)]],
    "whole, null id, no index": [[call(id=None, name="f", arguments=A)], [call(id=None, name="g", arguments=B)]],
    "whole, in one delta, index 0": [
        [call(index=0, id="", name="f", arguments=A), call(index=0, id="", name="g", arguments=B)],
    ],
    "no id, index 0, headers ahead": [
        [call(index=0, name="f", arguments="")],
        [call(index=0, arguments=A[:7])],
        [call(index=0, arguments=A[7:])],
        [call(index=0, name="g", arguments="")],
        [call(index=0, arguments=B)],
    ],
    "no id, index 0, name on every delta": [
        [call(index=0, name="f", arguments="")],
        [call(index=0, name="f", arguments=A[:4])],
        [call(index=0, name="f", arguments=A[4:9])],
        [call(index=0, name="f", arguments=A[9:])],
        [call(index=0, name="f", arguments="")],
        [call(index=0, name="g", arguments=B)],
        [call(index=0, name="g", arguments="")],
    ],
    "no id, no index, name on every delta": [
        [call(name="f", arguments=A[:4])],
        [call(name="f", arguments=A[4:])],
        [call(name="g", arguments=B[:2])],
        [call(name="g", arguments=B[2:])],
    ],
    "another id on every delta": [
        [call(index=0, id="r1", name="f", arguments="")],
        [call(index=0, id="r2", arguments=A[:4])],
        [call(index=0, id="r3", arguments=A[4:])],
        [call(index=1, id="r4", name="g", arguments="")],
        [call(index=1, id="r5", arguments=B)],
        [call(index=1, id="r6", arguments="")],
    ],
    "index in the first delta only": [
        OPENAI[0],
        [call(arguments=A)],
        OPENAI[3],
        [call(arguments=B)],
    ],
    "a call repeated whole at its end": [*OPENAI, [call(index=1, id="b", name="g", arguments=B)]],
    "a name after the arguments of another": [
        [call(index=0, name="f", arguments=A)],
        [call(index=0, name="g")],
        [call(index=0, arguments=B)],
    ],
}  # fmt: skip


async def of(rows: Iterable[list[dict[str, Any]]]) -> Relayed:
    return await relayed([*(chunk({"tool_calls": row}) for row in rows), chunk(finish="tool_calls"), DONE])


@pytest.mark.parametrize("shape", SHAPES)
async def test_the_sdk_puts_the_calls_together(shape: str) -> None:
    got = await of(SHAPES[shape])

    state: ChatCompletionStreamState[None] = ChatCompletionStreamState()
    for part in got.chunks:
        state.handle_chunk(ChatCompletionChunk.model_validate(part))
    message = state.get_final_completion().choices[0].message

    calls = message.tool_calls or []
    functions = [(entry.function.name, without_space(entry.function.arguments)) for entry in calls]
    assert functions == [("f", without_space(A)), ("g", without_space(B))]
    assert message.role == "assistant"
    assert len({entry.id for entry in calls}) == 2
    assert all(entry.id and entry.type == "function" for entry in calls)


@pytest.mark.parametrize("shape", SHAPES)
async def test_each_delta_is_strict(shape: str) -> None:
    got = await of(SHAPES[shape])
    deltas = [entry for part in got.chunks for entry in part["choices"][0]["delta"].get("tool_calls", ())]
    begun: set[int] = set()
    for delta in deltas:
        assert isinstance(delta["function"]["arguments"], str)
        assert ("id" in delta) == ("type" in delta) == (delta["index"] not in begun)
        begun.add(delta["index"])
    assert begun == {0, 1}
    assert "role" in got.chunks[0]["choices"][0]["delta"]


SAME_NAME = {
    "whole, empty id, index 0": [call(index=0, id="", name="f", arguments=text) for text in (A, B)],
    "whole, null id, no index": [call(id=None, name="f", arguments=text) for text in (A, B)],
    "whole, the same arguments": [call(index=0, name="f", arguments=text) for text in (A, A)],
    "one id, by index": [call(index=i, id="a", name="f", arguments=text) for i, text in enumerate((A, B))],
    "one id and index": [call(index=0, id="a", name="f", arguments=text) for text in (A, B)],
    "headers ahead": [
        call(index=0, name="f", arguments=""),
        call(index=0, arguments=A),
        call(index=0, name="f", arguments=""),
        call(index=0, arguments=" "),
        call(index=0, arguments=B[:3]),
        call(index=0, arguments=B[3:]),
    ],
    "objects": [call(index=0, name="f", arguments=json.loads(text)) for text in (A, B)],
    "custom": [{"index": 0, "type": "custom", "custom": {"name": "f", "input": text}} for text in (A, B)],
}


@pytest.mark.parametrize("shape", SAME_NAME)
def test_two_calls_of_one_function_are_two(shape: str) -> None:
    got = accumulated([[entry] for entry in SAME_NAME[shape]])
    second = A if "the same" in shape else B
    assert [(one["name"], without_space(one["text"])) for one in got] == [
        ("f", without_space(A)),
        ("f", without_space(second)),
    ]
    assert len({one["id"] for one in got}) == 2


def test_calls_without_arguments_are_told_apart_by_their_places_in_the_list() -> None:
    got = accumulated([[call(index=0, name="f", arguments=""), call(index=0, name="f", arguments="")]])
    assert [(one["name"], one["text"]) for one in got] == [("f", ""), ("f", "")]


def test_a_call_that_was_cut_short_does_not_spoil_the_next() -> None:
    got = accumulated([[call(index=0, name="f", arguments=A[:5])], [call(index=0, name="g", arguments=B)]])
    assert [(one["name"], one["text"]) for one in got] == [("f", A[:5]), ("g", B)]


def test_a_custom_call_with_its_id_and_name_on_every_delta_is_one() -> None:
    pieces = [{"index": 0, "id": "a", "custom": {"name": "sh", "input": text}} for text in ("ls ", "-l", "\n")]
    assert [(one["name"], one["text"]) for one in accumulated([[piece] for piece in pieces])] == [("sh", "ls -l\n")]


def test_a_signature_stays_with_its_call() -> None:
    """Gemini signs the first of its parallel calls, and refuses the next turn when that is lost."""
    sign = {"google": {"thought_signature": "Ck4BVKhc7=="}}
    later = {"google": {"thought_signature": "other"}}
    rows = [
        [{**call(index=0, id="", name="f", arguments=A), "extra_content": sign}],
        [call(index=0, id="", name="f", arguments=B)],
        [{**call(index=0, id="", name="f", arguments=""), "extra_content": later}],
    ]
    assert [one.get("extra_content") for one in accumulated(rows)] == [sign, None, later]


def test_the_ids_of_a_whole_answer_are_unique() -> None:
    message: dict[str, Any] = {"tool_calls": [call(id="a", name=name, index=0, arguments=A) for name in "fgh"]}
    complete_calls(message)
    ids = [entry["id"] for entry in message["tool_calls"]]
    assert ids[0] == "a"
    assert len(set(ids)) == 3
    assert not any("index" in entry for entry in message["tool_calls"])


def accumulated(rows: Iterable[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """As a client puts the deltas together, through the templates of the fast path too."""
    relay = Relay(a_provider(), a_call(), cost_of)
    wire = b"".join([*(chunk({"tool_calls": row}) for row in rows), chunk(finish="tool_calls"), DONE])
    splitter = EventSplitter()
    # One event at a time: what is learned of one holds for the next.
    shown = b"".join(relay.accept(splitter.feed(part + b"\n\n")) for part in wire.split(b"\n\n")[:-1])
    calls: dict[int, dict[str, Any]] = {}
    for line in shown.split(b"\n\n")[:-1]:
        for entry in json.loads(line.removeprefix(b"data: "))["choices"][0]["delta"].get("tool_calls") or ():
            one = calls.setdefault(entry["index"], {"id": "", "name": "", "text": ""})
            held = entry.get("custom") or entry["function"]
            one["id"] += entry.get("id") or ""
            one["name"] += held.get("name") or ""
            one["text"] += held.get("arguments") or held.get("input") or ""
            one |= {name: entry[name] for name in ("extra_content",) if name in entry}
    assert sorted(calls) == list(range(len(calls)))
    return [calls[index] for index in sorted(calls)]


def without_space(text: str) -> str:
    return json.dumps(json.loads(text))


Asked = tuple[str, str]
"""A call's name and arguments."""
Row = list[dict[str, Any]]


def pieces(text: str, random: Random) -> list[str]:
    """Cut anywhere, in pieces that may be empty."""
    places = sorted(random.randrange(len(text) + 1) for _ in range(random.randrange(6)))
    return [text[a:b] for a, b in pairwise([0, *places, len(text)])]


def headed(asked: list[Asked], random: Random, head: Callable[[int], dict[str, Any]], **later: Any) -> list[Row]:
    """The name ahead, with no arguments, and then those."""
    rows = []
    for at, (name, text) in enumerate(asked):
        rows.append([call(**head(at), name=name, arguments="")])
        index = {key: value for key, value in head(at).items() if key == "index"}
        rows += [[call(**index, **later, arguments=piece)] for piece in pieces(text, random)]
    return rows


def repeated(asked: list[Asked], random: Random, head: Callable[[int], dict[str, Any]]) -> list[Row]:
    """All on every delta, and at the end of a call perhaps once more without arguments."""
    return [
        [call(**head(at), name=name, arguments=piece)]
        for at, (name, text) in enumerate(asked)
        for piece in [*pieces(text, random), *[""] * random.randrange(2)]
    ]


def whole(asked: list[Asked], head: Callable[[int], dict[str, Any]]) -> list[Row]:
    return [[call(**head(at), name=name, arguments=text)] for at, (name, text) in enumerate(asked)]


def interleaved(asked: list[Asked], random: Random, head: Callable[[int], dict[str, Any]]) -> list[Row]:
    """All names first; then the arguments, each call's in order and the calls mixed."""
    left = {at: pieces(text, random) for at, (_, text) in enumerate(asked)}
    rows = [[call(**head(at), name=name, arguments="")] for at, (name, _) in enumerate(asked)]
    while left:
        at = random.choice(list(left))
        rows.append([call(index=at, arguments=left[at].pop(0))])
        left = {key: rest for key, rest in left.items() if rest}
    return rows


def id_of(at: int) -> str:
    return f"call_{at}"


STYLES: dict[str, Callable[[list[Asked], Random], list[Row]]] = {
    "OpenAI": lambda a, r: headed(a, r, lambda at: {"index": at, "id": id_of(at), "type": "function"}),
    "OpenAI, interleaved": lambda a, r: interleaved(a, r, lambda at: {"index": at, "id": id_of(at)}),
    "no index": lambda a, r: headed(a, r, lambda at: {"id": id_of(at)}),
    "index 0 for all": lambda a, r: headed(a, r, lambda at: {"index": 0, "id": id_of(at)}),
    "empty id and name later": lambda a, r: headed(a, r, lambda at: {"index": at, "id": id_of(at)}, id="", name=""),
    "id and name on every delta": lambda a, r: repeated(a, r, lambda at: {"index": at, "id": id_of(at)}),
    "id and name on every delta, no index": lambda a, r: repeated(a, r, lambda at: {"id": id_of(at)}),
    "one id (DeepSeek, GLM)": lambda a, r: headed(a, r, lambda at: {"index": at, "id": "call_0"}),
    "one id, interleaved": lambda a, r: interleaved(a, r, lambda at: {"index": at, "id": "call_0"}),
    "no ids, index 0": lambda a, r: headed(a, r, lambda _: {"index": 0}),
    "no ids, index 0, name on every delta": lambda a, r: repeated(a, r, lambda _: {"index": 0, "id": ""}),
    "no ids, no index, name on every delta": lambda a, r: repeated(a, r, lambda _: {"id": None}),
    "another id on every delta (vLLM)": lambda a, r: [
        [{**row[0], "id": f"r{at}"}] for at, row in enumerate(headed(a, r, lambda at: {"index": at}))
    ],
    "whole, index 0 (Gemini)": lambda a, r: whole(a, lambda _: {"index": 0, "id": r.choice(["", None])}),
    "whole, nothing else": lambda a, _: whole(a, lambda _: {}),
    "whole, in one delta": lambda a, _: [[row[0] for row in whole(a, lambda at: {"index": 0})]],
    "whole, in one delta, nothing else": lambda a, _: [[row[0] for row in whole(a, lambda at: {})]],
    "objects": lambda a, _: [
        [call(index=0, id=id_of(at), name=name, arguments=json.loads(text))] for at, (name, text) in enumerate(a)
    ],
}
values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**53), 2**53),
        st.sampled_from(['"', "\\", '\\"}', "{[", "}]", "é😀", "\n", ""]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from('ab"{'), inner, max_size=3)),
    max_leaves=6,
)
asked_calls = st.lists(
    st.tuples(
        st.sampled_from(["f", "g", "get_weather"]),
        st.builds(
            lambda value, indent: json.dumps(value, indent=indent),
            st.dictionaries(st.sampled_from('xy"}'), values, max_size=3),
            st.sampled_from([None, 1]),
        ),
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.parametrize("style", STYLES)
@given(asked=asked_calls, random=st.randoms(use_true_random=False))
def test_calls_come_out_as_they_were_made(style: str, asked: list[Asked], random: Random) -> None:
    """Names that repeat, arguments that repeat, cut anywhere, in every provider's way."""
    got = accumulated(STYLES[style](asked, random))
    assert [(one["name"], json.loads(one["text"])) for one in got] == [(name, json.loads(text)) for name, text in asked]
    assert len({one["id"] for one in got}) == len(asked)


@given(st.lists(st.text(max_size=8), max_size=8), st.dictionaries(st.text(max_size=3), values, max_size=3))
def test_arguments_are_complete_exactly_at_their_end(noise: list[str], value: dict[str, Any]) -> None:
    text = json.dumps({"k": noise, "v": value}, ensure_ascii=False)
    arguments = Arguments()
    for at, letter in enumerate(text):
        assert not arguments.complete
        if at % 3:
            arguments.feed(letter)
        else:
            arguments.feed_raw(json.dumps(letter)[1:-1].encode())
    assert arguments.complete
    assert arguments.same_as(text)


def scanned(deltas: int) -> int:
    """Characters that were looked at in one call whose provider names it on every delta."""
    looked_at = 0

    class Counted(Arguments):
        def _scan(self, text: str) -> None:
            nonlocal looked_at
            looked_at += len(text)
            super()._scan(text)

    tools = ToolDeltas()
    tools.normalise({"tool_calls": [call(index=0, name="f", arguments='{"a": "')]})
    tools._calls[0].arguments = counted = Counted()
    counted.feed('{"a": "')
    for _ in range(deltas):
        tools.normalise({"tool_calls": [call(index=0, name="f", arguments="some text ")]})
    return looked_at


def test_each_character_of_the_arguments_is_looked_at_once() -> None:
    assert scanned(4000) == 7 + 4000 * 10


@pytest.mark.parametrize("size", [PENDING_BYTES_MAX, 64 * 1024])
def test_arguments_are_not_kept(size: int) -> None:
    """26 MB of them."""
    arguments = Arguments()
    arguments.feed('{"a": "')
    tracemalloc.start()
    for _ in range(200 * PENDING_MAX * PENDING_BYTES_MAX // size):
        arguments.feed_raw(bytes(b"x" * size))
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 2 * PENDING_MAX * PENDING_BYTES_MAX
    assert peak < 4 * 1024**2


async def test_long_arguments_take_the_fast_path_and_stay_whole() -> None:
    pieces = [[call(index=0, arguments=f'"{i}\\n')] for i in range(50)]
    got = await of([OPENAI[0], *pieces[:25], OPENAI[3], *pieces[25:]])
    texts = ["", ""]
    for part in got.chunks[:-1]:
        entry = part["choices"][0]["delta"]["tool_calls"][0]
        texts[entry["index"]] += entry["function"]["arguments"]
    assert texts[0] == "".join(f'"{i}\\n' for i in range(50))


@pytest.mark.parametrize("rubbish", ["x", {}, 7, [None, "x"]])
async def test_rubbish_for_calls_is_dropped(rubbish: Any) -> None:
    got = await relayed([chunk({"content": "a", "tool_calls": rubbish}), DONE])
    assert not got.chunks[0]["choices"][0]["delta"].get("tool_calls")
