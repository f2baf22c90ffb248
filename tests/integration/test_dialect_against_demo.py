"""The OpenAI-compatible dialect against every behaviour of the demo upstream, over real sockets."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import orjson
import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from local.demo_upstream import BEHAVIOURS
from multiconnection import errors
from multiconnection.calls.upstream import Outcome, UpstreamError
from multiconnection.catalog.models import Provider, Quirks
from multiconnection.catalog.parameters import PASS, ParameterPolicy
from multiconnection.chat.request import ChatCall
from multiconnection.chat.upstream import OpenAiCompatible
from multiconnection.errors import GatewayError
from multiconnection.providers.http import AiohttpClient
from multiconnection.usage import Ended, Usage, UsageSource
from tests.support import provider_fakes

DONE = b"data: [DONE]\n\n"
TEXT = "one two three four five six"
PROMPT = Usage(6)  # two words and 4 for the message
WHOLE = Usage(6, output=6)
TOOLS = [
    {"type": "function", "function": {"name": "weather", "parameters": {"properties": {"city": {"type": "string"}}}}}
]

ESTIMATED = {"demo-no-usage", "demo-usage-negative", "demo-usage-float", "demo-usage-string", "demo-usage-huge"}
EXPECTED = {
    "demo-usage-zero": Usage(),
    "demo-deepseek": Usage(3, 3, output=14, reasoning=8),
    "demo-gemini": Usage(6, output=14),
}
REFUSED: dict[str, tuple[type[GatewayError], bool]] = {
    "demo-error-500": (errors.UpstreamFailed, True),
    "demo-error-429": (errors.RateLimited, True),
    "demo-error-400": (errors.UpstreamRejected, False),
    "demo-error-401": (errors.UpstreamAuthFailed, True),
    "demo-error-html": (errors.UpstreamFailed, True),
    "demo-error-200": (errors.UpstreamFailed, True),
    "demo-first-event-error": (errors.UpstreamFailed, True),
    "demo-empty": (errors.UpstreamFailed, True),
    "demo-hang": (errors.UpstreamTimeout, True),
}
BROKEN = {"demo-fail-midstream", "demo-cut", "demo-eof"}
ELSEWHERE = {"demo-flaky", "demo-silent", "demo-big-event", "demo-tools-raw"}
WELL = sorted(set(BEHAVIOURS) - set(REFUSED) - BROKEN - ELSEWHERE)


@pytest.fixture
async def dialect() -> AsyncIterator[OpenAiCompatible]:
    client = AiohttpClient()
    yield OpenAiCompatible(client)
    await client.aclose()


@dataclass(frozen=True)
class Got:
    items: list[bytes]
    outcome: Outcome

    @property
    def chunks(self) -> list[dict[str, Any]]:
        events = b"".join(self.items).split(b"\n\n")[:-1]
        return [orjson.loads(event[6:]) for event in events if event != b"data: [DONE]"]

    @property
    def text(self) -> str:
        return "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in self.chunks if chunk["choices"])


def a_provider(base_url: str, **quirks: Any) -> Provider:
    return Provider("demo", base_url, "none", None, 5, 2, 5, 1, Quirks(**quirks), parameters=ParameterPolicy(PASS))


def a_call(model: str, *, stream: bool = True, include_usage: bool = False, **body: Any) -> ChatCall:
    body = {"demo": {"text": TEXT, "delay_ms": 0}, "messages": [{"role": "user", "content": "say it"}], **body}
    return provider_fakes.a_call(
        body=body | {"model": "x"},
        upstream_model=model,
        output_tokens_max=10_000_000,
        prompt_tokens_max=1000,
        prompt_tokens_estimate=9,
        streamed=stream,
        include_usage=include_usage,
    )


def quirks_of(model: str) -> dict[str, Any]:
    quirks: dict[str, dict[str, Any]] = {
        "demo-deepseek": {"cached_tokens_field": "prompt_cache_hit_tokens"},
        "demo-gemini": {"completion_is_whole": False},
    }
    return quirks.get(model, {})


async def streamed(dialect: OpenAiCompatible, provider: Provider, call: ChatCall) -> Got:
    stream = await dialect.stream(provider, call, lambda usage: Decimal(usage.completion_tokens).scaleb(-9))
    items = [item async for item in stream]
    await stream.aclose()
    return Got(items, stream.outcome())


def assert_charged(model: str, outcome: Outcome) -> None:
    assert (outcome.ended, outcome.error) == (Ended.COMPLETE, None)
    if model in ESTIMATED:
        assert outcome.source is UsageSource.ESTIMATED
        assert outcome.usage == Usage(9, output=7)  # the estimate handed in, and 27 bytes
    else:
        assert outcome.source is UsageSource.UPSTREAM
        assert outcome.usage == EXPECTED.get(model, WHOLE)


@pytest.mark.parametrize("include_usage", [False, True])
@pytest.mark.parametrize("model", WELL)
async def test_a_whole_stream_ends_complete_with_its_usage(
    dialect: OpenAiCompatible, base_url: str, model: str, include_usage: bool
) -> None:
    got = await streamed(dialect, a_provider(base_url, **quirks_of(model)), a_call(model, include_usage=include_usage))

    assert got.items[-1] == DONE
    assert got.text == TEXT
    assert_charged(model, got.outcome)
    if include_usage:
        assert [chunk["usage"] is None for chunk in got.chunks] == [True] * (len(got.chunks) - 1) + [False]
        assert got.chunks[-1]["usage"]["completion_tokens"] == got.outcome.usage.completion_tokens
        assert got.chunks[-1]["usage"].get("estimated", False) == (model in ESTIMATED)
    else:
        assert b'"usage"' not in b"".join(got.items)
    state: ChatCompletionStreamState[None] = ChatCompletionStreamState()
    for chunk in got.chunks:
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
    assert state.get_final_completion().choices[0].message.content == TEXT


@pytest.mark.parametrize("model", WELL)
async def test_a_whole_answer_has_its_usage(dialect: OpenAiCompatible, base_url: str, model: str) -> None:
    got = await dialect.complete(a_provider(base_url, **quirks_of(model)), a_call(model, stream=False))
    assert_charged(model, got.outcome)
    assert ("usage" in got.body) == (model not in ESTIMATED)
    assert ChatCompletion.model_validate(got.body).choices[0].message.content == TEXT


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", REFUSED)
async def test_a_refusal_of_the_demo_is_the_error_that_it_stands_for(
    dialect: OpenAiCompatible, base_url: str, model: str, stream: bool
) -> None:
    call, provider = a_call(model, stream=stream), a_provider(base_url)
    with pytest.raises(UpstreamError) as caught:
        await (streamed(dialect, provider, call) if stream else dialect.complete(provider, call))
    kind, elsewhere = REFUSED[model]
    assert type(caught.value.error) is kind
    assert caught.value.retry_elsewhere == elsewhere


@pytest.mark.parametrize("billed", [False, True])
@pytest.mark.parametrize("model", sorted(BROKEN))
async def test_streams_that_break(dialect: OpenAiCompatible, base_url: str, model: str, billed: bool) -> None:
    provider = a_provider(base_url, mid_stream_error_billed=billed)
    got = await streamed(dialect, provider, a_call(model, include_usage=True))
    assert DONE not in got.items
    assert TEXT.startswith(got.text)
    assert got.text
    assert got.outcome.ended is Ended.MID_STREAM_ERROR
    assert isinstance(got.outcome.error, errors.UpstreamFailed)
    expected = Usage(9, output=-(-len(got.text) // 4)) if billed else Usage()
    assert got.outcome.usage == expected
    assert got.outcome.source is (UsageSource.ESTIMATED if billed else UsageSource.NONE)


@pytest.mark.parametrize("model", sorted(BROKEN))
async def test_unstreamed_answers_that_break(dialect: OpenAiCompatible, base_url: str, model: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        await dialect.complete(a_provider(base_url), a_call(model, stream=False))
    assert caught.value.retry_elsewhere


async def test_every_other_request_fails(dialect: OpenAiCompatible, base_url: str) -> None:
    failed = 0
    for _ in range(4):
        try:
            await streamed(dialect, a_provider(base_url), a_call("demo-flaky"))
        except UpstreamError:
            failed += 1
    assert failed == 2


async def test_silence_then_an_answer(dialect: OpenAiCompatible, base_url: str) -> None:
    demo = {"text": TEXT, "first_delay_ms": 300}
    got = await streamed(dialect, a_provider(base_url), a_call("demo-silent", demo=demo))
    assert (got.text, got.items[-1]) == (TEXT, DONE)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_event_of_six_megabytes(dialect: OpenAiCompatible, base_url: str, stream: bool) -> None:
    call = a_call("demo-big-event", stream=stream, demo={})
    if stream:
        got = await streamed(dialect, a_provider(base_url), call)
        assert len(got.text) == 6_000_000
        assert got.outcome.ended is Ended.COMPLETE
    else:
        whole = await dialect.complete(a_provider(base_url), call)
        assert len(whole.body["choices"][0]["message"]["content"]) == 6_000_000


@pytest.mark.parametrize("model", ["demo-chat", "demo-tools-raw"])
async def test_tool_calls_come_whole(dialect: OpenAiCompatible, base_url: str, model: str) -> None:
    call = a_call(model, demo={}, tools=TOOLS, tool_choice="required")
    got = await streamed(dialect, a_provider(base_url), call)
    state: ChatCompletionStreamState[None] = ChatCompletionStreamState()
    for chunk in got.chunks:
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
    (choice,) = state.get_final_completion().choices
    assert choice.message.role == "assistant"
    assert choice.finish_reason == "tool_calls"
    (tool_call,) = choice.message.tool_calls or []
    assert tool_call.function.name == "weather"
    assert "city" in orjson.loads(tool_call.function.arguments)
    assert got.outcome.source is UsageSource.UPSTREAM
