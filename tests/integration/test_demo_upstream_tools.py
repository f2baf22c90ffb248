"""The demo upstream calls tools as OpenAI does, and as sloppy providers do."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from local.demo_upstream.testing import demo_upstream

CITY = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
TOOLS: Any = [
    {"type": "function", "function": {"name": "get_weather", "parameters": CITY}},
    {"type": "function", "function": {"name": "get_time"}},
]
ARGUMENTS = '{"city": "demo", "days": 1}'


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with demo_upstream() as url:
        yield url


def ask(base_url: str, text: str, **body: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    body = {"model": "demo-chat", "messages": messages, "tools": TOOLS, **body}
    answer = httpx.post(f"{base_url}/chat/completions", json=body).json()
    return dict(answer["choices"][0])


def called(choice: dict[str, Any]) -> list[str]:
    return [call["function"]["name"] for call in choice["message"].get("tool_calls", [])]


@pytest.mark.parametrize(
    ("text", "body", "names"),
    [
        ("hello", {}, []),
        ("what is the Weather like", {}, ["get_weather"]),
        ("use a tool", {"tool_choice": "none"}, []),
        ("hello", {"tool_choice": "required"}, ["get_weather"]),
        ("hello", {"tool_choice": {"type": "function", "function": {"name": "get_time"}}}, ["get_time"]),
        ("both tools please", {}, ["get_weather", "get_time"]),
        ("both tools please", {"parallel_tool_calls": False}, ["get_weather"]),
        ("hello", {"model": "demo-tools-raw"}, ["get_weather"]),
        ("what is the weather", {"tools": []}, []),
    ],
)
def test_tools_are_called_when_the_request_wants_it(
    base_url: str, text: str, body: dict[str, Any], names: list[str]
) -> None:
    choice = ask(base_url, text, **body)
    assert called(choice) == names
    assert choice["finish_reason"] == ("tool_calls" if names else "stop")
    assert (choice["message"]["content"] is None) == bool(names)


def test_a_tool_result_is_quoted_in_the_answer(base_url: str) -> None:
    call = {"id": "call_demo_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_demo_1", "content": "sunny, 21 degrees"},
    ]
    assert "sunny, 21 degrees" in ask(base_url, "", messages=messages)["message"]["content"]


def test_the_sdk_assembles_streamed_calls(base_url: str) -> None:
    with openai.OpenAI(base_url=base_url, api_key="sk-demo", max_retries=0) as sdk:
        with sdk.chat.completions.stream(
            model="demo-chat", messages=[{"role": "user", "content": "both tools"}], tools=TOOLS
        ) as stream:
            message = stream.get_final_completion().choices[0].message
    assert message.tool_calls is not None
    assert [(call.function.name, call.function.arguments) for call in message.tool_calls] == [
        ("get_weather", ARGUMENTS),
        ("get_time", "{}"),
    ]


def deltas(base_url: str, model: str) -> list[dict[str, Any]]:
    body = {"model": model, "messages": [{"role": "user", "content": "weather"}], "tools": TOOLS, "stream": True}
    text = httpx.post(f"{base_url}/chat/completions", json=body).text
    events = [json.loads(event.removeprefix("data: ")) for event in text.split("\n\n")[:-2]]
    return [event["choices"][0]["delta"] for event in events]


def test_openais_deltas_send_id_and_name_once(base_url: str) -> None:
    role, first, *rest, finish = deltas(base_url, "demo-chat")
    assert role["role"] == "assistant"
    function = {"name": "get_weather", "arguments": ""}
    assert first == {"tool_calls": [{"index": 0, "id": "call_demo_1", "type": "function", "function": function}]}
    assert all(set(delta["tool_calls"][0]) == {"index", "function"} for delta in rest)
    assert "".join(delta["tool_calls"][0]["function"]["arguments"] for delta in rest) == ARGUMENTS
    assert finish == {}


def test_raw_deltas_lack_index_type_and_role_and_repeat_id_and_name(base_url: str) -> None:
    *raw, finish = deltas(base_url, "demo-tools-raw")
    assert not any("role" in delta for delta in raw)
    calls = [delta["tool_calls"][0] for delta in raw]
    assert {(call["id"], call["function"]["name"]) for call in calls} == {("call_demo_1", "get_weather")}
    assert not any("index" in call or "type" in call for call in calls)
    assert "".join(call["function"]["arguments"] for call in calls) == ARGUMENTS
    assert finish == {}


@pytest.mark.parametrize("limit", [1, 3])
def test_the_token_limit_cuts_a_call(base_url: str, limit: int) -> None:
    choice = ask(base_url, "weather", max_tokens=limit)
    assert choice["finish_reason"] == "length"
    assert len(choice["message"]["tool_calls"][0]["function"]["arguments"].split()) == limit - 1
