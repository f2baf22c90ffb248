"""The demo upstream's well-behaved answers, seen through the official SDK and as bytes; its token rule."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from local.demo_upstream.testing import demo_upstream

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "good morning world"}]
ECHO = "Hello from the demo model! You said: good morning world"


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with demo_upstream() as url:
        yield url


@pytest.fixture
def sdk(base_url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=base_url, api_key="sk-demo", max_retries=0) as client:
        yield client


def post(base_url: str, **body: Any) -> httpx.Response:
    return httpx.post(f"{base_url}/chat/completions", json={"model": "demo-chat", "messages": HELLO, **body})


def chunks(base_url: str, **body: Any) -> list[dict[str, Any]]:
    lines = post(base_url, stream=True, **body).text.split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-2]]


def said(events: list[dict[str, Any]]) -> str:
    return "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"])


def test_models_are_listed_with_their_behaviours(sdk: openai.OpenAI) -> None:
    assert {"demo-chat", "demo-cut"} <= {model.id for model in sdk.models.list()}


def test_a_whole_answer_has_openais_shape(base_url: str) -> None:
    body = post(base_url).json()
    assert body["id"].startswith("chatcmpl-")
    assert body["object"] == "chat.completion"
    assert body["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": ECHO, "refusal": None, "annotations": []},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]


def test_a_stream_has_role_pieces_finish_and_no_usage_key_unless_asked(base_url: str) -> None:
    events = chunks(base_url)
    assert events[0]["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert said(events) == ECHO
    assert (events[-1]["choices"][0]["delta"], events[-1]["choices"][0]["finish_reason"]) == ({}, "stop")
    assert {event["object"] for event in events} == {"chat.completion.chunk"}
    assert len({event["id"] for event in events}) == 1
    assert not any("usage" in event for event in events)


def test_the_usage_chunk_comes_last_when_asked(base_url: str) -> None:
    *events, last = chunks(base_url, stream_options={"include_usage": True})
    assert all(event["usage"] is None for event in events)
    assert last["choices"] == []
    assert last["usage"] == post(base_url).json()["usage"]


def test_the_sdk_streams_it(sdk: openai.OpenAI) -> None:
    with sdk.chat.completions.create(model="gpt-4.1", messages=HELLO, stream=True) as stream:
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == ECHO


def test_tokens_follow_the_documented_rule(sdk: openai.OpenAI) -> None:
    picture: Any = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    messages: list[ChatCompletionMessageParam] = [
        {"role": "system", "content": "be very kind"},
        {"role": "user", "content": [{"type": "text", "text": "what is this"}, picture]},
    ]
    answer = sdk.chat.completions.create(
        model="demo-chat", messages=messages, n=2, reasoning_effort="low", prompt_cache_key="k"
    )
    usage = answer.usage
    assert usage is not None
    assert usage.prompt_tokens == (3 + 4) + (3 + 4 + 85)
    assert usage.completion_tokens == 2 * len((answer.choices[0].message.content or "").split()) + 8
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert usage.prompt_tokens_details is not None
    assert usage.prompt_tokens_details.cached_tokens == usage.prompt_tokens // 2
    assert usage.completion_tokens_details is not None
    assert usage.completion_tokens_details.reasoning_tokens == 8


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("effort", ["none", "high"])
def test_the_token_limit_holds_with_and_without_reasoning(base_url: str, field: str, effort: str) -> None:
    body = post(base_url, reasoning_effort=effort, **{field: 10}).json()
    assert body["usage"]["completion_tokens"] == 10
    assert len(body["choices"][0]["message"]["content"].split()) == (10 if effort == "none" else 2)
    events = chunks(base_url, **{field: 3})
    assert (said(events), events[-1]["choices"][0]["finish_reason"]) == ("Hello from the", "length")


def test_choices_interleave_in_a_stream(base_url: str) -> None:
    events = chunks(base_url, n=2)
    assert [event["choices"][0]["index"] for event in events] == [0, 1] * (len(events) // 2)


def test_stop_cuts_the_text(base_url: str) -> None:
    choice = post(base_url, stop=["You", "never"]).json()["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("Hello from the demo model! ", "stop")


def test_logprobs_are_scored_piece_by_piece(base_url: str) -> None:
    whole = post(base_url, logprobs=True, top_logprobs=2).json()["choices"][0]["logprobs"]["content"]
    streamed = [
        score
        for event in chunks(base_url, logprobs=True, top_logprobs=2)
        for score in (event["choices"][0]["logprobs"] or {"content": []})["content"]
    ]
    assert streamed == whole
    assert "".join(score["token"] for score in whole) == ECHO
    assert {len(score["top_logprobs"]) for score in whole} == {2}


def test_demo_details_rule_text_chunks_and_usage(base_url: str) -> None:
    events = chunks(base_url, demo={"text": "one two", "chunks": 200, "usage": {"x": 1}}, stream_options={})
    assert len(events) == 202
    assert said(events).startswith("one twoone two")
    body = post(base_url, demo={"text": "one two", "usage": {"x": 1}}).json()
    assert (body["choices"][0]["message"]["content"], body["usage"]) == ("one two", {"x": 1})


def test_demo_can_fail_any_model_after_some_chunks(base_url: str) -> None:
    events = post(base_url, stream=True, demo={"fail_after_chunks": 2}).text.split("\n\n")
    assert len(events) == 1 + 2 + 1 + 1
    assert "error" in json.loads(events[-2].removeprefix("data: "))


def test_json_answers_are_valid_and_fit_the_schema(base_url: str) -> None:
    schema = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "age": {"type": "integer", "minimum": 18},
            "score": {"type": "number"},
            "good": {"type": "boolean"},
            "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}},
            "maybe": {"anyOf": [{"type": ["null", "string"]}, {"type": "null"}]},
            "inner": {"type": "object", "properties": {"fixed": {"const": 7}}},
        },
        "$defs": {"tag": {"enum": ["red", "blue"]}},
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema}}
    assert json.loads(said(chunks(base_url, response_format=wanted))) == {
        "name": "demo",
        "age": 18,
        "score": 1.5,
        "good": True,
        "tags": ["red"],
        "maybe": "demo",
        "inner": {"fixed": 7},
    }
    plain = post(base_url, response_format={"type": "json_object"}).json()["choices"][0]["message"]["content"]
    assert json.loads(plain) == {"answer": ECHO}


@pytest.mark.parametrize(
    ("raw", "param"),
    [
        ("{", None),
        ("[]", None),
        ('{"messages": [{"role": "user"}]}', "model"),
        ('{"model": "m"}', "messages"),
        ('{"model": "m", "messages": []}', "messages"),
        ('{"model": "m", "messages": [{"role": "user", "content": "x"}], "n": 0}', "n"),
        ('{"model": "m", "messages": [{"role": "user", "content": "x"}], "max_tokens": "9"}', "max_tokens"),
        ('{"model": "m", "messages": [{"role": "user", "content": "x"}], "demo": {"chunks": -1}}', "demo.chunks"),
    ],
)
def test_bad_input_is_refused_in_openais_shape(base_url: str, raw: str, param: str | None) -> None:
    answer = httpx.post(f"{base_url}/chat/completions", content=raw)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)


def test_stream_options_without_stream_are_accepted(base_url: str) -> None:
    assert post(base_url, stream_options={"include_usage": True}).json()["object"] == "chat.completion"


def test_unknown_routes_and_methods_have_the_error_shape_too(base_url: str) -> None:
    assert httpx.get(f"{base_url}/nothing").status_code == 404
    assert httpx.get(f"{base_url}/chat/completions").json()["error"]["type"] == "invalid_request_error"
