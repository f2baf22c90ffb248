"""A chat request is understood, refused with the path of what is wrong, or bounded from above."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiconnection.chat.request import parse_chat_request, require_affordable_parameters
from multiconnection.errors import ParameterMissing, ParameterUnsupported, RequestInvalid
from multiconnection.web.validation import PATH_CHARS_MAX
from tests.support.chat_bodies import PIXEL, content, parsed
from tests.support.chat_world import MESSAGES, a_model

pytestmark = pytest.mark.virtual_time


def test_a_small_request_is_understood() -> None:
    request = parsed(
        stream=True, stream_options={"include_usage": True}, n=2, max_tokens=50, max_completion_tokens=40, top_k=5
    )
    assert (request.model, request.stream, request.include_usage) == ("m-1", True, True)
    assert (request.choices, request.output_limit, request.messages, request.images) == (2, 40, 1, 0)
    assert request.body["top_k"] == 5


def test_null_is_as_if_absent() -> None:
    names = ["stream", "stream_options", "n", "max_tokens", "max_completion_tokens", "temperature", "stop", "tools"]
    request = parsed(**dict.fromkeys(names))
    assert (request.stream, request.include_usage, request.choices, request.output_limit) == (False, False, 1, None)


@pytest.mark.parametrize(
    ("fields", "limit"),
    [
        ({}, None),
        ({"max_tokens": 0}, None),
        ({"max_tokens": None}, None),
        ({"max_tokens": 9}, 9),
        ({"max_completion_tokens": 9}, 9),
        ({"max_tokens": 0, "max_completion_tokens": 9}, 9),
        ({"max_tokens": 8, "max_completion_tokens": 9}, 8),
        ({"max_tokens": 10**9}, 10**9),
    ],
    ids=str,
)
def test_the_smaller_of_two_limits_counts_and_zero_is_none(fields: dict[str, Any], limit: int | None) -> None:
    assert parsed(**fields).output_limit == limit


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("value", [-1, 10**18, 2**64, 10**30, "9", True, 1.5, 9.0, [9], {}])
def test_a_limit_that_is_none_is_refused_by_its_name(name: str, value: object) -> None:
    with pytest.raises(RequestInvalid) as caught:
        parsed(**{name: value})
    assert caught.value.param == name
    assert caught.value.http_status == 400


@pytest.mark.parametrize("value", [-3, 0, 129, 10**6, 10**18, True, "2", 1.5])
def test_the_number_of_choices_is_bounded(value: object) -> None:
    with pytest.raises(RequestInvalid) as caught:
        parsed(n=value)
    assert caught.value.param == "n"


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"model": 5}, "model", "expected a string"),
    ({"model": None}, "model", "expected a string"),
    ({"model": ""}, "model", "at least 1 character"),
    ({"model": "x" * 257}, "model", "at most 256 characters"),
    ({"messages": None}, "messages", "expected an array"),
    ({"messages": "hi"}, "messages", "expected an array"),
    ({"messages": {"role": "user"}}, "messages", "expected an array"),
    ({"messages": []}, "messages", "at least 1 item"),
    ({"messages": ["hi"]}, "messages[0]", "expected an object"),
    ({"messages": [*MESSAGES, None]}, "messages[1]", "expected an object"),
    ({"messages": [{"role": "robot", "content": "hi"}]}, "messages[0].role", "'developer', 'system', 'user'"),
    ({"messages": [{"role": 5, "content": "hi"}]}, "messages[0].role", "'developer'"),
    ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content", "expected a string or an array"),
    ({"messages": [{"role": "user", "content": {}}]}, "messages[0].content", "expected a string or an array"),
    ({"messages": content(5)}, "messages[0].content[0]", "expected an object"),
    ({"messages": content("hi")}, "messages[0].content[0]", "expected an object"),
    ({"messages": content({"type": "text", "text": "a"}, {"type": 5})}, "messages[0].content[1].type", "a string"),
    ({"messages": content({"type": "text", "text": 5})}, "messages[0].content[0].text", "expected a string"),
    (
        {"messages": content({"type": "image_url", "image_url": "https://a.example/"})},
        "messages[0].content[0].image_url",
        "expected an object",
    ),
    (
        {"messages": content({"type": "image_url", "image_url": {"url": 5}})},
        "messages[0].content[0].image_url.url",
        "expected a string",
    ),
    ({"messages": [{"role": "user", "content": "hi", "name": 5}]}, "messages[0].name", "expected a string"),
    ({"messages": [{"role": "assistant", "tool_calls": [5]}]}, "messages[0].tool_calls[0]", "expected an object"),
    ({"messages": [{"role": "tool", "tool_call_id": 5}]}, "messages[0].tool_call_id", "expected a string"),
    ({"stream": "true"}, "stream", "expected a boolean"),
    ({"stream": 1}, "stream", "expected a boolean"),
    ({"stream_options": True}, "stream_options", "expected an object"),
    ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage", "expected a boolean"),
    ({"temperature": "hot"}, "temperature", "expected a number or an integer"),
    ({"temperature": True}, "temperature", "expected a number or an integer"),
    ({"top_logprobs": 21}, "top_logprobs", "less than or equal to 20"),
    ({"seed": 1.5}, "seed", "expected an integer"),
    ({"seed": 10**30}, "seed", "expected an integer"),
    ({"stop": 5}, "stop", "expected a string or an array"),
    ({"stop": ["a", 5]}, "stop[1]", "expected a string"),
    ({"logit_bias": []}, "logit_bias", "expected an object"),
    ({"logit_bias": {"50256": "x"}}, "logit_bias", "expected a number or an integer"),
    ({"metadata": {"a": 5}}, "metadata.a", "expected a string"),
    ({"metadata": {"not a name": 5}}, "metadata", "expected a string"),
    ({"modalities": ["text", 5]}, "modalities[1]", "expected a string"),
    ({"response_format": "json"}, "response_format", "expected an object"),
    ({"tools": {}}, "tools", "expected an array"),
    ({"tools": [None]}, "tools[0]", "expected an object"),
    ({"tools": [{"type": "function", "function": "f"}]}, "tools[0].function", "expected an object"),
    ({"tool_choice": 5}, "tool_choice", "expected a string or an object"),
    ({"function_call": []}, "function_call", "expected a string or an object"),
    ({"functions": ["f"]}, "functions[0]", "expected an object"),
    ({"parallel_tool_calls": "no"}, "parallel_tool_calls", "expected a boolean"),
]


@pytest.mark.parametrize(("fields", "param", "says"), WRONG, ids=lambda value: str(value)[:60])
def test_what_is_wrong_is_named_by_its_path(fields: dict[str, Any], param: str, says: str) -> None:
    with pytest.raises(RequestInvalid) as caught:
        parsed(**fields)
    assert (caught.value.param, caught.value.code) == (param, None)
    assert says in caught.value.message
    assert f"'{param}'" in caught.value.message


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "model"),
        ({"messages": MESSAGES}, "model"),
        ({"model": "m-1"}, "messages"),
        ({"model": "m-1", "messages": [{"content": "hi"}]}, "messages[0].role"),
        ({"model": "m-1", "messages": content({"text": "hi"})}, "messages[0].content[0].type"),
        ({"model": "m-1", "messages": content(PIXEL, {"type": "image_url", "image_url": {}})}, None),
        ({"model": "m-1", "messages": MESSAGES, "tools": [{}]}, "tools[0].type"),
    ],
)
def test_what_is_missing_is_named_by_its_path(body: dict[str, Any], param: str | None) -> None:
    with pytest.raises(ParameterMissing) as caught:
        parse_chat_request(body)
    assert caught.value.param == param or caught.value.param == "messages[0].content[1].image_url.url"
    assert caught.value.code == "missing_required_parameter"


@pytest.mark.parametrize("body", [None, [], "hi", 5, True, [{"model": "m-1"}]])
def test_a_body_that_is_no_object_is_refused(body: object) -> None:
    with pytest.raises(RequestInvalid, match="must be a JSON object"):
        parse_chat_request(body)


@pytest.mark.parametrize("depth", [300, 1000])
@pytest.mark.parametrize("place", ["unknown", "response_format", "metadata", "tools"])
def test_deep_json_is_refused_and_never_a_crash(depth: int, place: str) -> None:
    deep = orjson.loads(b'{"a":' * depth + b"1" + b"}" * depth)
    value = [{"type": "function", "function": deep}] if place == "tools" else deep
    with pytest.raises(RequestInvalid) as caught:
        parse_chat_request({"model": "m-1", "messages": MESSAGES, place: value}).prompt_tokens_max(a_model())
    assert caught.value.http_status == 400


def test_json_of_usual_depth_passes() -> None:
    deep = orjson.loads(b'{"a":' * 100 + b"1" + b"}" * 100)
    assert parse_chat_request({"model": "m-1", "messages": MESSAGES, "response_format": deep}).model == "m-1"


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb"])
def test_half_a_surrogate_pair_never_crashes(text: str) -> None:
    for fields in ({"messages": [{"role": "user", "content": text}]}, {"user": text}, {"unknown": text}):
        with pytest.raises(RequestInvalid):
            parse_chat_request({"model": "m-1", "messages": MESSAGES, **fields}).prompt_tokens_max(a_model())


def test_nul_bytes_are_text() -> None:
    request = parsed(messages=[{"role": "user", "content": "\x00" * 1000}], user="\x00")
    assert request.prompt_tokens_max(a_model()) >= 1000


def test_of_a_repeated_name_the_last_value_is_judged_and_forwarded() -> None:
    raw = b'{"model":"m-1","max_tokens":5,"messages":[{"role":"user","content":"hi"}],"max_tokens":7,"n":1,"n":3}'
    request = parse_chat_request(orjson.loads(raw))
    assert (request.output_limit, request.choices) == (7, 3)
    assert (request.body["max_tokens"], request.body["n"]) == (7, 3)


def test_a_path_is_never_longer_than_a_line_or_two() -> None:
    with pytest.raises(RequestInvalid) as caught:
        parsed(metadata={"a" * 10**6: 5})
    assert caught.value.param is not None
    assert len(caught.value.param) == PATH_CHARS_MAX
    assert len(caught.value.message) < 2 * PATH_CHARS_MAX


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=12,
    ),
    st.sampled_from(["messages", "tools", "stop", "logit_bias", "metadata", "stream_options", "n", "seed", "zz"]),
)
def test_any_json_in_any_place_is_understood_or_refused_with_a_path(value: object, place: str) -> None:
    body = {"model": "m-1", "messages": MESSAGES, place: value}
    param, tokens = None, 1
    try:
        tokens = parse_chat_request(body).prompt_tokens_max(a_model())
    except RequestInvalid as exc:
        param = exc.param
    assert param is None or param.startswith(place)
    assert tokens > 0


def test_a_text_is_counted_only_when_nothing_cheaper_refuses_the_request() -> None:
    """Whatever has been counted is kept in the request."""
    request = parsed(unknown="\u0301\u0323" * 1000, tools=[{"type": "web_search"}])
    with pytest.raises(RequestInvalid):
        require_affordable_parameters(request, a_model(kind="embedding", prices={"input": "1"}))
    with pytest.raises(ParameterUnsupported):
        require_affordable_parameters(request, a_model())
    assert not vars(request).keys() & {"text", "text_tokens_max", "text_tokens_typical"}


def test_a_text_that_fills_the_window_by_its_bytes_is_not_looked_at() -> None:
    request = parsed(unknown="\u0301\u0323" * 1000)
    assert request.prompt_tokens_max(a_model(context_window=4000)) == 4000
    assert "text_tokens_max" not in vars(request)
    assert request.prompt_tokens_max(a_model(context_window=8000)) > 4000
    assert "text_tokens_max" in vars(request)


def test_of_many_messages_each_is_validated_and_the_wrong_one_named() -> None:
    messages: list[object] = [{"role": "user", "content": "hi"}] * 2500
    assert parsed(messages=messages).messages == 2500
    for at in (0, 999, 1000, 2345, 2499):
        wrong = [*messages[:at], {"role": "user", "content": [{"text": 1}]}, *messages[at + 1 :]]
        with pytest.raises(ParameterMissing) as caught:
            parsed(messages=wrong)
        assert caught.value.param == f"messages[{at}].content[0].type"
