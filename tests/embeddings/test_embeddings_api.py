"""POST /v1/embeddings and /v1/moderations: every form of input, both formats of vectors, and what each call costs."""

from array import array
from base64 import b64encode
from typing import Any

import pytest

from multiconnection.providers.errors import AnswerTimedOut
from multiconnection.usage import Ended, UsageSource
from tests.support.assertions import assert_error
from tests.support.chat_app import ChatApp
from tests.support.chat_world import ChatWorld, a_model
from tests.support.endpoints import EMBEDDING_MODEL
from tests.support.fake_http import FakeReply, json_reply

pytestmark = pytest.mark.virtual_time


VECTOR = [0.5, -0.25, 1.0]
PACKED = b64encode(array("f", VECTOR).tobytes()).decode()
MODERATION = a_model(id="omni-moderation-latest", code="o01", aliases=[], kind="moderation", prices={"input": "0.00"})


def world() -> ChatWorld:
    return ChatWorld(a_model(), EMBEDDING_MODEL, MODERATION)


def answer(*vectors: object, usage: object = None) -> FakeReply:
    data = [{"object": "embedding", "index": i, "embedding": vector} for i, vector in enumerate(vectors)]
    return json_reply({"object": "list", "data": data, "model": "m-1-one", **({"usage": usage} if usage else {})})


@pytest.mark.parametrize("sent", [VECTOR, PACKED])
@pytest.mark.parametrize(("asked", "got"), [(None, VECTOR), ("float", VECTOR), ("base64", PACKED)])
async def test_vectors_come_in_the_format_asked_for(sent: object, asked: str | None, got: object) -> None:
    async with ChatApp(world()) as app:
        app.world.http.replies = [answer(sent, usage={"prompt_tokens": 3, "total_tokens": 3})]
        body = {"model": "e-1", "input": "hi", **({"encoding_format": asked} if asked else {})}
        response = await app.send("/v1/embeddings", **body)
        assert response.status_code == 200
        assert response.json() == {
            "object": "list",
            "data": [{"object": "embedding", "index": 0, "embedding": got}],
            "model": "m-1-one",
            "usage": {"prompt_tokens": 3, "total_tokens": 3, "cost": 0.00000006},
        }
        assert app.world.http.posted[0].url.endswith("/v1/embeddings")
        assert app.world.http.posted[0].json == {**body, "model": "m-1-one"}
        row = await app.world.settled_row()
        assert (row.cost, row.endpoint, row.ended) == (60, "embeddings", Ended.COMPLETE)


@pytest.mark.parametrize(
    ("given", "count", "hold"),
    [
        ("héllo", 1, (6 + 8) * 20),
        (["a", "bc"], 2, (1 + 8 + 2 + 8) * 20),
        ([1, 2, 3], 1, 3 * 20),
        ([[1, 2], [3]], 2, 3 * 20),
        ("x" * 500, 1, 100 * 20),
    ],
)
async def test_the_hold_covers_any_tokenizer_up_to_the_context_window(given: object, count: int, hold: int) -> None:
    async with ChatApp(world()) as app:
        app.world.http.replies = [answer(*[VECTOR] * count)]
        response = await app.send("/v1/embeddings", model="e-1", input=given)
        assert response.status_code == 200
        row = await app.world.settled_row()
        assert (row.hold, row.usage_source) == (hold, UsageSource.ESTIMATED)
        assert response.json()["usage"]["estimated"] is True


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": -1},
        {"prompt_tokens": "3"},
        {"prompt_tokens": 3.5},
        {"prompt_tokens": None},
        {"prompt_tokens": True},
        {"prompt_tokens": 10**12},
        {"prompt_tokens": 18},
        {"total_tokens": 500_000_000},
    ],
)
async def test_nonsense_for_usage_is_as_no_usage(usage: dict[str, object]) -> None:
    async with ChatApp(world()) as app:
        app.world.http.replies = [answer(VECTOR, usage=usage)]
        response = await app.send("/v1/embeddings", model="e-1", input="four byte")
        assert response.json()["usage"] == {
            "prompt_tokens": 3,
            "total_tokens": 3,
            "cost": 0.00000006,
            "estimated": True,
        }
        row = await app.world.settled_row()
        claimed = max([value for value in usage.values() if type(value) is int and value > 17], default=None)
        assert (row.cost, row.overrun) == (60, min(claimed, 10**9) * 20 - 60 if claimed else 0)


@pytest.mark.parametrize(
    "usage", [{"prompt_tokens": 17}, {"total_tokens": 17}, {"prompt_tokens": 17, "total_tokens": 99}]
)
async def test_nine_bytes_and_eight_tokens_around_them_can_be(usage: dict[str, int]) -> None:
    async with ChatApp(world()) as app:
        app.world.http.replies = [answer(VECTOR, usage=usage)]
        response = await app.send("/v1/embeddings", model="e-1", input="four byte")
        assert response.json()["usage"] == {"prompt_tokens": 17, "total_tokens": 17, "cost": 0.00000034}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": ["a", ""]}, "input[1]"),
        ({"input": [[]]}, "input[0]"),
        ({"input": [1, "a"]}, "input"),
        ({"input": [-1]}, "input[0]"),
        ({"input": ["a"] * 2049}, "input"),
        ({"input": 7}, "input"),
        ({"input": None}, "input"),
        ({}, "input"),
        ({"input": "a", "encoding_format": "hex"}, "encoding_format"),
        ({"input": "a", "dimensions": 0}, "dimensions"),
        ({"input": "a", "dimensions": "9"}, "dimensions"),
        ({"input": "x" * 10_000}, "input"),
        ({"input": list(range(101))}, "input"),
        ({"input": "a", "model": "m-1"}, "model"),
        ({"input": "a", "provider": {"order": ["dear"]}}, "provider"),
        ({"input": "a", "models": ["dear-1"]}, "models"),
    ],
)
async def test_bad_input_is_refused_before_any_hold(body: dict[str, Any], param: str) -> None:
    async with ChatApp(world()) as app:
        response = await app.send("/v1/embeddings", **{"model": "e-1", **body})
        assert response.status_code == 400
        assert response.json()["error"]["param"].startswith(param)
        assert app.world.http.posted == []
        assert await app.world.rows() == []


@pytest.mark.parametrize(
    "reply",
    [
        FakeReply([]),
        FakeReply([b"<html>"]),
        FakeReply([b"[]"]),
        json_reply({"object": "list", "data": []}),
        json_reply({"object": "list", "data": [{"embedding": VECTOR}, {"embedding": VECTOR}]}),
        json_reply({"data": [{"embedding": []}]}),
        json_reply({"data": [{"embedding": ["a"]}]}),
        json_reply({"data": [{"embedding": [1e300]}]}),
        json_reply({"data": [{"embedding": "!!"}]}),
        json_reply({"data": [{"embedding": "AAA="}]}),
        json_reply({"data": ["x"]}),
        json_reply({"error": {"message": "no", "code": 500}}),
        FakeReply([b"no"], 500),
        AnswerTimedOut("slow"),
    ],
)
async def test_an_answer_that_is_none_costs_nothing(reply: Any) -> None:
    async with ChatApp(world()) as app:
        app.world.http.replies = [reply, FakeReply([b"no"], 503)]
        response = await app.send("/v1/embeddings", model="e-1", input="hi", encoding_format="base64")
        assert response.status_code in (502, 504)
        row = await app.world.settled_row()
        assert row.cost == 0
        assert row.ended in (Ended.UPSTREAM_ERROR, Ended.EMPTY)


async def test_who_cannot_pay_is_told_without_advice_about_max_tokens() -> None:
    async with ChatApp(world()) as app:
        app.secret = await app.world.open("0", account_id="a2")
        response = await app.send("/v1/embeddings", model="e-1", input="hi")
        error = assert_error(response, "insufficient_balance", 402)
        assert "max_tokens" not in error["message"]
        assert "affordable_max_tokens" not in error


@pytest.mark.parametrize(
    "given",
    [
        "some text",
        ["a", "b"],
        [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "https://x.example/i.png"}}],
    ],
)
async def test_moderation_is_free_and_leaves_a_row(given: object) -> None:
    async with ChatApp(world()) as app:
        app.secret = await app.world.open("0", account_id="a2")
        results = {"id": "modr-1", "model": "omni-moderation-latest", "results": [{"flagged": False}]}
        app.world.http.replies = [json_reply(results)]
        response = await app.send("/v1/moderations", input=given)
        assert (response.status_code, response.json()) == (200, results)
        (row,) = await app.world.rows("a2")
        assert (row.cost, row.hold, row.endpoint, row.model) == (0, 0, "moderations", "omni-moderation-latest")


async def test_a_moderation_without_results_is_an_upstream_error() -> None:
    async with ChatApp(world()) as app:
        app.world.http.replies = [json_reply({"id": "modr-1", "results": []}) for _ in range(2)]
        assert_error(await app.send("/v1/moderations", input="x"), "upstream_error", 502)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["a"] * 2049, "at most 2048 items"),
        ([], "at least 1 item"),
        ([-1], "greater than or equal to 0"),
        ([[1], [-1]], "greater than or equal to 0"),
    ],
)
async def test_what_is_said_is_what_is_wrong(given: object, message: str) -> None:
    async with ChatApp(world()) as app:
        response = await app.send("/v1/embeddings", model="e-1", input=given)
        assert message in assert_error(response, None, 400)["message"]


def a_picture(url: object) -> dict[str, Any]:
    return {"input": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": url}}]}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": 7}, "input"),
        ({"input": []}, "input"),
        ({"input": [{"type": "file"}]}, "input[0].type"),
        ({"input": [{"type": "image_url"}]}, "input[0].image_url.url"),
        (a_picture("upload://upl_0123456789012345678901"), "input[1].image_url.url"),
        (a_picture("http://x.example/i.png"), "input[1].image_url.url"),
        (a_picture(7), "input[1].image_url.url"),
    ],
)
async def test_bad_moderation_input_is_refused(body: dict[str, Any], param: str) -> None:
    async with ChatApp(world()) as app:
        response = await app.send("/v1/moderations", **body)
        assert assert_error(response, None, 400)["param"] == param if body else response.status_code == 400
        assert await app.world.rows() == []
