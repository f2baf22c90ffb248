"""POST /v1/completions: prompts of every form, whole and streamed, with the bounds and the price of chat."""

from typing import Any

import orjson
import pytest

from multiconnection.providers.errors import ConnectionCut
from multiconnection.usage import Ended, UsageSource
from tests.support.assertions import assert_error
from tests.support.chat_app import ChatApp
from tests.support.chat_world import ChatWorld, a_model
from tests.support.fake_http import FakeReply, json_reply

pytestmark = pytest.mark.virtual_time


DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}
COST = 2 * 1000 + 3 * 2000


def world() -> ChatWorld:
    made = ChatWorld(a_model(capabilities=["completions"]), a_model(id="m-2", code="m02", aliases=[]))
    made.connect(made.http)
    return made


def event(value: object) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"


def chunk(text: str, finish: str | None = None, index: int = 0, **more: Any) -> bytes:
    choices = [{"text": text, "index": index, "logprobs": None, "finish_reason": finish}]
    return event({"id": "cmpl-1", "object": "text_completion", "created": 5, "model": "m", "choices": choices, **more})


PIECES = [chunk("Hel"), chunk("lo"), chunk(" you"), chunk("", "stop")]
USAGE_CHUNK = event({"id": "cmpl-1", "object": "text_completion", "choices": [], "usage": USAGE})


def events(raw: bytes) -> list[dict[str, Any]]:
    lines = [line for line in raw.split(b"\n\n") if line and line != b"data: [DONE]"]
    return [orjson.loads(line.removeprefix(b"data: ")) for line in lines]


async def test_a_whole_completion_is_charged_by_its_usage() -> None:
    async with ChatApp(world()) as app:
        choice = {"text": "Hello", "index": 0, "logprobs": None, "finish_reason": "length"}
        app.world.http.replies = [json_reply({"id": "cmpl-1", "choices": [choice], "usage": USAGE})]
        response = await app.send("/v1/completions", model="m-1", prompt="Say", max_tokens=3, suffix="!")
        assert response.status_code == 200
        body = response.json()
        assert (body["object"], body["choices"]) == ("text_completion", [choice])
        assert body["usage"]["cost"] == 0.000008
        posted = app.world.http.posted[0]
        assert posted.url.endswith("/v1/completions")
        assert posted.json == {"model": "m-1-one", "prompt": "Say", "max_tokens": 3, "suffix": "!"}
        row = await app.world.settled_row()
        assert (row.cost, row.endpoint, row.usage_source) == (COST, "completions", UsageSource.UPSTREAM)


@pytest.mark.parametrize("asked", [False, True])
async def test_a_stream_has_its_usage_only_where_it_was_asked_for(asked: bool) -> None:
    async with ChatApp(world()) as app:
        app.world.http.replies = [FakeReply([*PIECES, USAGE_CHUNK, DONE])]
        options = {"stream_options": {"include_usage": True}} if asked else {}
        response = await app.send("/v1/completions", model="m-1", prompt="Say", stream=True, **options)
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert response.content.endswith(DONE)
        seen = events(response.content)
        assert "".join(c["choices"][0]["text"] for c in seen if c["choices"]) == "Hello you"
        assert {c["object"] for c in seen} == {"text_completion"}
        assert [c["usage"] for c in seen if c.get("usage")] == ([seen[-1]["usage"]] if asked else [])
        assert app.world.http.posted[0].json["stream_options"] == {"include_usage": True}
        assert (await app.world.settled_row()).cost == COST


async def test_choices_of_several_prompts_interleave_and_each_comes_to_its_end() -> None:
    async with ChatApp(world()) as app:
        pieces = [chunk("a", index=1), chunk("b", index=0), chunk("", "stop", index=1), chunk("", "stop", index=0)]
        app.world.http.replies = [FakeReply([*pieces, USAGE_CHUNK, DONE])]
        response = await app.send("/v1/completions", model="m-1", prompt=["x", "y"], stream=True)
        assert [c["choices"][0]["index"] for c in events(response.content)] == [1, 0, 1, 0]
        assert response.content.endswith(DONE)


async def test_a_provider_that_does_not_stream_is_made_to() -> None:
    async with ChatApp(world()) as app:
        whole = {"id": "cmpl-1", "choices": [{"text": "Hello", "finish_reason": "stop"}], "usage": USAGE}
        app.world.http.replies = [json_reply(whole)]
        response = await app.send("/v1/completions", model="m-1", prompt="x", stream=True)
        assert events(response.content)[0]["choices"][0]["text"] == "Hello"
        assert response.content.endswith(DONE)
        assert (await app.world.settled_row()).cost == COST


async def test_a_cut_stream_ends_with_an_error_and_without_done() -> None:
    async with ChatApp(world()) as app:
        app.world.http.replies = [FakeReply([PIECES[0], ConnectionCut("cut")])]
        response = await app.send("/v1/completions", model="m-1", prompt="x", stream=True)
        assert events(response.content)[-1]["error"]["code"] == "upstream_error"
        assert b"[DONE]" not in response.content
        row = await app.world.settled_row()
        assert (row.ended, row.cost) == (Ended.MID_STREAM_ERROR, 0)


@pytest.mark.parametrize(
    ("body", "hold"),
    [
        ({"prompt": "abc"}, (3 + 8) * 1000 + 16 * 2000),
        ({"prompt": "abc", "max_tokens": 5}, 11_000 + 5 * 2000),
        ({"prompt": "abc", "max_tokens": 0, "echo": True}, 11_000),
        ({"prompt": "abc", "max_tokens": 10**6}, 11_000 + 1000 * 2000),
        ({"prompt": [1, 2]}, 2000 + 16 * 2000),
        ({"prompt": [[1], [2, 3]], "n": 2}, 3000 + 4 * 16 * 2000),
        ({"prompt": ["a", "b"], "best_of": 3}, 18_000 + 6 * 16 * 2000),
        ({"prompt": "abc", "suffix": "de"}, 21_000 + 16 * 2000),
    ],
)
async def test_the_hold_covers_everything_that_is_generated(body: dict[str, Any], hold: int) -> None:
    async with ChatApp(world()) as app:
        app.world.http.replies = [json_reply({"choices": [{"text": "Hello"}]})]
        assert (await app.send("/v1/completions", model="m-1", **body)).status_code == 200
        row = await app.world.settled_row()
        assert (row.hold, row.usage_source) == (hold, UsageSource.ESTIMATED)


@pytest.mark.parametrize(("completion", "source"), [(96, UsageSource.UPSTREAM), (97, UsageSource.ESTIMATED)])
async def test_what_best_of_generates_is_believed_and_no_more(completion: int, source: UsageSource) -> None:
    usage = {"prompt_tokens": 2, "completion_tokens": completion}
    async with ChatApp(world()) as app:
        app.world.http.replies = [json_reply({"choices": [{"text": "Hello"}], "usage": usage})]
        await app.send("/v1/completions", model="m-1", prompt=["a", "b"], best_of=3)
        assert (await app.world.settled_row()).usage_source is source


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": [[]]}, "prompt"),
        ({"prompt": ["a"] * 129}, "prompt"),
        ({"prompt": [-1]}, "prompt"),
        ({"prompt": "a", "n": 0}, "n"),
        ({"prompt": "a", "n": 10**6}, "n"),
        ({"prompt": "a", "best_of": -3}, "best_of"),
        ({"prompt": "a", "max_tokens": -1}, "max_tokens"),
        ({"prompt": "a", "max_tokens": "9"}, "max_tokens"),
        ({"prompt": "a", "max_tokens": 1.5}, "max_tokens"),
        ({"prompt": "a", "max_tokens": True}, "max_tokens"),
        ({"prompt": "a", "model": "m-2"}, "model"),
    ],
)
async def test_bad_input_is_refused_before_any_hold(body: dict[str, Any], param: str) -> None:
    async with ChatApp(world()) as app:
        response = await app.send("/v1/completions", **{"model": "m-1", **body})
        assert response.status_code == 400
        assert response.json()["error"]["param"].startswith(param)
        assert await app.world.rows() == []


@pytest.mark.parametrize(
    "extra",
    [
        {"models": ["dear-1"]},
        {"provider": {"order": ["dear"]}},
        {"route": "fallback"},
        {"preset": "mine"},
        {"plugins": [{"id": "web"}]},
        {"service_tier": "priority"},
        {"messages": [{"role": "user", "content": "x" * 9000}]},
        {"tools": [{"type": "function"}]},
    ],
    ids=str,
)
async def test_what_cannot_be_bounded_is_refused(extra: dict[str, Any]) -> None:
    async with ChatApp(world()) as app:
        response = await app.send("/v1/completions", model="m-1", prompt="a", **extra)
        assert assert_error(response, "unsupported_parameter", 400)["param"] == next(iter(extra))
        assert app.world.http.posted == []
        assert await app.world.rows() == []


async def test_a_chat_model_says_where_to_go() -> None:
    async with ChatApp(world()) as app:
        response = await app.send("/v1/completions", model="m-2", prompt="x")
        assert "/v1/chat/completions" in assert_error(response, None, 400)["message"]


async def test_who_can_pay_for_less_is_told_how_much_less() -> None:
    async with ChatApp(world()) as app:
        app.secret = await app.world.open("0.0001", account_id="a2")
        response = await app.send("/v1/completions", model="m-1", prompt="abc", max_tokens=1000)
        error = assert_error(response, "insufficient_balance", 402)
        assert error["affordable_max_tokens"] == (100_000 - 11_000) // 2000
