"""Tool-call deltas of all providers, put together again by the official SDK's own accumulator."""

from collections.abc import Iterable
from typing import Any

import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from tests.unit.providers.fakes import DONE, Relayed, chunk, relayed

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
    functions = [(entry.function.name, entry.function.arguments.replace('":"', '": "')) for entry in calls]
    assert functions == [("f", A), ("g", B)]
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
