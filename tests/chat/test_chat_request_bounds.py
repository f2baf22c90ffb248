"""What a chat request can cost at most: every byte that is sent counts, before and after normalisation."""

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.chat_bodies import PIXEL, content, parsed
from tests.support.chat_world import a_model

pytestmark = pytest.mark.virtual_time


nasty = (
    st.text(alphabet=st.sampled_from('a\n\r\t\x00"\\\u0301\u0323\u0304\ufdfa\u00e9\uac00\U0001f600\u3300')) | st.text()
)


@given(nasty, nasty)
def test_the_input_bound_is_above_the_bytes_before_and_after_nfkc(first: str, second: str) -> None:
    messages = [{"role": "system", "content": first}, *content({"type": "text", "text": second}, PIXEL)]
    request = parsed(messages=messages)
    bound = request.prompt_tokens_max(a_model(context_window=10**9)) - 1000
    assert bound >= len((first + second).encode())
    assert bound >= len(unicodedata.normalize("NFKC", first).encode() + unicodedata.normalize("NFKC", second).encode())


def test_an_escaped_carriage_return_hides_no_byte_of_a_text_that_grows_elsewhere() -> None:
    text = "\r\u0323\u0304" * 10_000 + "\ufdfa" * 10_000
    request = parsed(messages=[{"role": "user", "content": text}])
    assert request.prompt_tokens_max(a_model(context_window=10**9)) >= len(unicodedata.normalize("NFKC", text).encode())


def test_everything_that_is_sent_counts() -> None:
    small = parsed().prompt_tokens_max(a_model())
    for more in (
        {"tools": [{"type": "function", "function": {"name": "f", "description": "x" * 500}}]},
        {"response_format": {"type": "json_schema", "json_schema": {"description": "x" * 500}}},
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {"arguments": "x" * 500}}]}]},
        {"messages": [{"role": "user", "content": "hi", "reasoning_content": "x" * 500}]},
        {"unknown": "x" * 500},
    ):
        assert parsed(**more).prompt_tokens_max(a_model()) >= small + 490


def a_tool(*members: str) -> dict[str, Any]:
    properties: dict[str, Any] = {name: {} for name in members}
    return {"type": "function", "function": {"name": "f", "parameters": {"properties": properties}}}


def as_xml(tools: list[dict[str, Any]]) -> str:
    """As templates of open models write tools: most tags around the fewest characters."""
    written = "".join(
        "<tool>\n<function>\n<name>f</name>\n<parameters>\n"
        + "".join(
            f"<parameter>\n<name>{name}</name>\n</parameter>\n" for name in tool["function"]["parameters"]["properties"]
        )
        + "</parameters>\n</function>\n</tool>\n"
        for tool in tools
    )
    return f"<tools>\n{written}</tools>"


# A token of these templates is a tag's bracket, name or line: about three characters.
@pytest.mark.parametrize("count", [1, 2, 100])
def test_the_bound_covers_the_text_that_providers_put_before_tools(count: int) -> None:
    tools = [a_tool(*(chr(0x4E00 + at) for at in range(20))) for _ in range(count)]
    plain, bound = (
        parsed().prompt_tokens_max(a_model()),
        parsed(tools=tools).prompt_tokens_max(a_model(context_window=0)),
    )
    # Anthropic: at most 530 tokens for the text itself.
    assert bound - plain >= 530 + len(as_xml(tools)) / 3
    legacy = parsed(functions=[tool["function"] for tool in tools]).prompt_tokens_max(a_model(context_window=0))
    assert legacy - plain >= 530 + len(as_xml(tools)) / 3


def test_formats_thoughts_and_a_models_own_preamble_count() -> None:
    plain = parsed().prompt_tokens_max(a_model())
    for fields in ({"response_format": {"type": "json_object"}}, {"reasoning_effort": "low"}, {"safe_prompt": True}):
        assert parsed(**fields).prompt_tokens_max(a_model()) >= plain + 256
    assert parsed().prompt_tokens_max(a_model(preamble_tokens=1024)) == plain + 1024


def test_an_image_counts_as_the_models_maximum_and_not_as_its_bytes() -> None:
    huge = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 10**6, "detail": "high"}}
    request = parsed(messages=content({"type": "text", "text": "look"}, huge, huge))
    assert request.images == 2
    assert 2000 < request.prompt_tokens_max(a_model()) < 2300


@pytest.mark.parametrize(
    "part",
    [
        {"type": "text", "text": "x" * 50_000, "image_url": None},
        {"type": "text", "text": "x" * 50_000, "image_url": {"url": "https://a.example/i.png"}},
        {"type": "image_url", "image_url": {"url": "https://a.example/i.png"}, "text": "x" * 50_000},
        {"type": "image_url", "image_url": {"url": "https://a.example/i.png", "alt": "x" * 50_000}},
    ],
    ids=["no image", "text with an image", "image with a text", "image with more"],
)
def test_a_text_cannot_hide_behind_an_image(part: dict[str, Any]) -> None:
    request = parsed(messages=content(part, PIXEL))
    assert request.prompt_tokens_max(a_model()) >= 50_000


def test_the_bound_is_never_above_the_context_window() -> None:
    request = parsed(messages=[{"role": "user", "content": "x" * 10_000}])
    assert request.prompt_tokens_max(a_model(context_window=2000)) == 2000
    assert request.prompt_tokens_max(a_model()) > 10_000


@given(nasty)
def test_the_estimate_is_never_above_the_bound(text: str) -> None:
    request = parsed(messages=[{"role": "user", "content": text}])
    for window in (1, 50, 10**6):
        model = a_model(context_window=window)
        assert 0 < request.bind(model, 0).prompt_tokens_estimate <= request.prompt_tokens_max(model)


@pytest.mark.parametrize(
    ("fields", "tokens"),
    [
        ({}, 4 + 1),
        ({"stream": True, "stream_options": {"include_usage": True}, "temperature": 0.5, "user": "u" * 60}, 4 + 1),
        ({"messages": [{"role": "user", "content": "hi"}] * 10}, 40 + 5),
        ({"messages": content({"type": "text", "text": "abcdefgh"})}, 4 + 2),
        ({"messages": [{"role": "user", "content": "你好世界"}]}, 4 + 3),
        ({"messages": [{"role": "user", "name": "Adam", "content": "abcd"}]}, 4 + 2),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, 4 + 12),
    ],
)
def test_an_estimate_is_of_what_the_model_reads(fields: dict[str, Any], tokens: int) -> None:
    request = parsed(**{"messages": [{"role": "user", "content": "hi"}], **fields})
    assert request.bind(a_model(), 0).prompt_tokens_estimate == tokens


@pytest.mark.parametrize(("limit", "output"), [(None, 1000), (0, 1000), (1, 1), (1000, 1000), (10**9, 1000)])
def test_the_output_bound_is_what_was_asked_for_and_never_above_the_models_maximum(
    limit: int | None, output: int
) -> None:
    bound = parsed(max_tokens=limit).bind(a_model(), 500).bound
    assert (bound.output_tokens, bound.markup_basis_points) == (output, 500)


def test_each_choice_is_paid_for() -> None:
    assert parsed(n=3).bind(a_model(), 0).bound.per_token_pico == 3 * parsed().bind(a_model(), 0).bound.per_token_pico


def test_a_prompt_that_can_be_long_is_bounded_at_the_long_price() -> None:
    long = {"above_input_tokens": 300, "prices": {"input": "2.00", "output": "3.00"}}
    model = a_model(long_context=long)
    short, longer = parsed(), parsed(messages=[{"role": "user", "content": "x" * 400}])
    assert short.bind(model, 0).bound.per_token_pico == 2_000_000
    assert longer.bind(model, 0).bound.per_token_pico == 3_000_000


def test_a_limit_that_is_added_does_not_make_the_prompt_dearer() -> None:
    open_ended, limited = parsed(), parsed(max_tokens=63, max_completion_tokens=63)
    assert limited.prompt_tokens_max(a_model()) == open_ended.prompt_tokens_max(a_model())
