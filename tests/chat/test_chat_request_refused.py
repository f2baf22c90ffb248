"""What is refused because no bound holds, and what passes because it costs nothing beyond the hold."""

from typing import Any

import pytest

from multiconnection.chat.request import require_affordable_parameters
from multiconnection.errors import ContextTooLong, ParameterUnsupported, RequestInvalid
from tests.support.chat_bodies import PIXEL, content, parsed
from tests.support.chat_world import a_model

pytestmark = pytest.mark.virtual_time


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"plugins": [{"id": "web"}]}, "plugins"),
        ({"models": ["a", "b"]}, "models"),
        ({"provider": {"only": ["dear"]}}, "provider"),
        ({"route": "fallback"}, "route"),
        ({"preset": "mine"}, "preset"),
        ({"background": True}, "background"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"best_of": 5}, "best_of"),
        ({"prediction": {"type": "content", "content": "x"}}, "prediction"),
        ({"audio": {"voice": "alloy", "format": "mp3"}}, "audio"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"service_tier": "priority"}, "service_tier"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"modalities": ["image"]}, "modalities"),
        ({"tools": [{"type": "function", "function": {"name": "f"}, "google_search": {}}]}, "tools[0]"),
        ({"cache_control": {"type": "ephemeral", "ttl": "1h"}}, "cache_control.ttl"),
        (
            {"messages": content({"type": "text", "text": "a", "cache_control": {"ttl": "1h"}})},
            "messages[0].content[0].cache_control.ttl",
        ),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "cache_control": {"ttl": "1h"}}}]},
            "tools[0].function.cache_control.ttl",
        ),
        ({"tools": [{"type": "function"}, {"type": "web_search"}]}, "tools[1]"),
        ({"messages": content({"type": "file", "file": {"file_id": "f"}})}, "messages[0].content[0]"),
        ({"messages": content({"type": "text", "text": "a", "file": {"file_id": "f"}})}, "messages[0].content[0]"),
        ({"messages": content({"type": "input_audio", "input_audio": {"data": ""}})}, "messages[0].content[0]"),
        ({"messages": content({"type": "text", "text": "a", "input_audio": {}})}, "messages[0].content[0]"),
        ({"messages": content(PIXEL, {"type": "video_url", "video_url": {}})}, "messages[0].content[1]"),
        ({"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}]}, "messages[0].audio"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_cannot_be_bounded_is_refused_by_its_path(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(ParameterUnsupported) as caught:
        require_affordable_parameters(parsed(**fields), a_model())
    assert (caught.value.param, caught.value.code) == (param, "unsupported_parameter")


@pytest.mark.parametrize(
    "fields",
    [
        {"plugins": None, "models": None, "prediction": None, "audio": None},
        {"service_tier": "auto"},
        {"service_tier": "default"},
        {"service_tier": None},
        {"store": False},
        {"store": True},
        {"audio": {}, "plugins": [], "models": [], "background": False, "best_of": 0, "preset": ""},
        {"cache_control": {"type": "ephemeral"}},
        {"messages": content({"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "5m"}})},
        {"modalities": ["text"]},
        {"tools": [{"type": "function", "function": {"name": "f"}}, {"type": "custom"}]},
        {"messages": content({"type": "text", "text": "a"}, PIXEL, {"type": "refusal", "refusal": "no"})},
        {"messages": content({"type": "image_url", "image_url": {"url": "https://a.example/i.png"}})},
        {"messages": [{"role": "assistant", "content": None, "audio": None, "tool_calls": []}]},
        {"top_k": 5, "reasoning": {"effort": "low"}, "chat_template_kwargs": {}, "thinking": {"type": "disabled"}},
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_costs_nothing_beyond_the_hold_passes(fields: dict[str, Any]) -> None:
    require_affordable_parameters(parsed(**fields), a_model())


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 101}}, "thinking.budget_tokens"),
        ({"reasoning": {"max_tokens": 101}}, "reasoning.max_tokens"),
        ({"thinking_budget": 101}, "thinking_budget"),
    ],
)
def test_thoughts_stay_within_the_limit_of_the_answer(fields: dict[str, Any], param: str) -> None:
    require_affordable_parameters(parsed(max_tokens=101, **fields), a_model())
    require_affordable_parameters(parsed(**fields), a_model())
    for limited, model in (
        (parsed(max_tokens=100, **fields), a_model()),
        (parsed(**fields), a_model(max_output_tokens=100)),
    ):
        with pytest.raises(RequestInvalid) as caught:
            require_affordable_parameters(limited, model)
        assert caught.value.param == param


def test_no_entry_of_the_catalog_opens_what_costs() -> None:
    for fields in ({"service_tier": "flex"}, {"prediction": {"content": "x"}}, {"audio": {"voice": "alloy"}}):
        with pytest.raises(ParameterUnsupported):
            require_affordable_parameters(parsed(**fields), a_model(refused_parameters=[]))


@pytest.mark.parametrize(
    ("part", "param"),
    [
        ({"type": "image_url"}, "messages[0].content[0].image_url.url"),
        ({"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}, "messages[0].content[0].image_url.url"),
        ({"type": "image_url", "image_url": {"url": "http://a.example/i.png"}}, "messages[0].content[0].image_url.url"),
        ({"type": "image_url", "image_url": {"url": "data:text/html,x"}}, "messages[0].content[0].image_url.url"),
        ({"type": "text", "text": "a", "image_url": {"url": "gopher://x"}}, "messages[0].content[0].image_url.url"),
    ],
)
def test_an_image_is_a_url_of_an_image(part: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestInvalid) as caught:
        require_affordable_parameters(parsed(messages=content(part)), a_model())
    assert caught.value.param == param


def test_a_model_that_sees_nothing_takes_no_images() -> None:
    with pytest.raises(RequestInvalid, match="takes no images") as caught:
        require_affordable_parameters(parsed(messages=content(PIXEL)), a_model(image_tokens_max=0))
    assert caught.value.param == "messages[0].content[0]"


def test_a_speech_model_takes_no_messages() -> None:
    with pytest.raises(RequestInvalid, match="is a speech model") as caught:
        require_affordable_parameters(parsed(), a_model(kind="speech"))
    assert caught.value.param == "model"


def test_a_prompt_that_is_surely_too_long_is_refused_before_any_money_is_held() -> None:
    request = parsed(messages=[{"role": "user", "content": "x" * 80_100}])
    require_affordable_parameters(request, a_model(context_window=10_100))
    with pytest.raises(ContextTooLong) as caught:
        require_affordable_parameters(request, a_model(context_window=10_000))
    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "messages")
    require_affordable_parameters(request, a_model(context_window=0))


def test_a_long_type_is_not_echoed_whole() -> None:
    with pytest.raises(ParameterUnsupported) as caught:
        require_affordable_parameters(parsed(messages=content({"type": "x" * 10**6})), a_model())
    assert len(caught.value.message) < 200
