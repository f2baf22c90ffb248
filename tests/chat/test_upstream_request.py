"""What is sent to a provider: the caller's body with our bounds, our key, and nothing else of the caller's."""

from dataclasses import replace
from typing import Any

import pytest

from multiconnection.calls.upstream import UpstreamError
from multiconnection.chat.upstream import OpenAiCompatible, chat_request, request_body
from multiconnection.errors import RequestInvalid, UpstreamRejected
from multiconnection.providers.http import EVENTS, endpoint, request_headers
from tests.support.fake_http import FakeHttp, FakeReply
from tests.support.provider_fakes import ANSWER, DONE, a_call, a_provider, cost_of

BODY = {"model": "public-name", "messages": [], "top_k": 4, "reasoning": {"effort": "low"}}
REFUSAL = b'{"error":{"message":"Unrecognized request argument supplied: stream_options","code":null}}'


def test_the_model_and_the_output_bound_are_ours_and_unknown_fields_pass() -> None:
    call = a_call(body=BODY | {"max_tokens": 10**18, "max_completion_tokens": 5}, output_tokens_max=64)
    body = request_body(a_provider(output_limit_field="max_completion_tokens"), call)
    assert body == BODY | {
        "model": "m-1",
        "max_completion_tokens": 64,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert call.body["model"] == "public-name"


@pytest.mark.parametrize("given", [None, "x", {"include_usage": False, "include_obfuscation": False}])
def test_usage_is_always_asked_for_in_streams(given: Any) -> None:
    options = request_body(a_provider(), a_call(body=BODY | {"stream_options": given}))["stream_options"]
    assert options["include_usage"] is True
    assert ("include_obfuscation" in options) == isinstance(given, dict)


def test_stream_options_are_left_out_where_they_are_not_wanted() -> None:
    body = BODY | {"stream": False, "stream_options": {"include_usage": True}}
    assert "stream_options" not in request_body(a_provider(accepts_stream_options=False), a_call(body=body))
    whole = request_body(a_provider(), a_call(body=body, streamed=False))
    assert "stream_options" not in whole
    assert whole["stream"] is False


def test_headers_are_only_ours() -> None:
    assert request_headers(a_provider(), accept=EVENTS) == {
        "content-type": "application/json",
        "accept": "text/event-stream",
        "user-agent": "MultiConnection/0.1",
        "authorization": "Bearer sk-acme-secret-0123456789",
    }
    azure = replace(a_provider(), auth="api-key")
    assert request_headers(azure)["api-key"] == azure.api_key
    assert len(request_headers(replace(a_provider(), auth="none"))) == 3


def test_the_key_is_not_in_any_repr() -> None:
    assert "secret" not in repr(chat_request(a_provider(), a_call())) + repr(a_provider())


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("http://h:1/v1", "http://h:1/v1/chat/completions"),
        ("http://h/v1/", "http://h/v1/chat/completions"),
        ("https://h/openai/d?api-version=7", "https://h/openai/d/chat/completions?api-version=7"),
    ],
)
def test_endpoints(base_url: str, url: str) -> None:
    assert endpoint(base_url, "/chat/completions") == url


def test_a_lone_surrogate_of_the_caller_is_passed_on() -> None:
    body = chat_request(a_provider(), a_call(body={"user": "\ud800"})).body
    assert b'"\\ud800"' in body


async def test_a_body_too_deep_to_write_is_the_callers_error() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(UpstreamError) as caught:
        await OpenAiCompatible(FakeHttp([])).complete(a_provider(), a_call(body={"stop": deep}))
    assert isinstance(caught.value.error, RequestInvalid)
    assert not caught.value.retry_elsewhere


async def test_a_server_that_refuses_stream_options_is_asked_once_more_without() -> None:
    http = FakeHttp([FakeReply([REFUSAL], 400), FakeReply([*ANSWER, DONE])])
    stream = await OpenAiCompatible(http).stream(a_provider(), a_call(), cost_of)
    assert [item async for item in stream][-1] == DONE
    assert ["stream_options" in posted.json for posted in http.posted] == [True, False]


async def test_the_second_refusal_is_final() -> None:
    http = FakeHttp([FakeReply([REFUSAL], 400), FakeReply([REFUSAL], 400)])
    with pytest.raises(UpstreamError) as caught:
        await OpenAiCompatible(http).stream(a_provider(), a_call(), cost_of)
    assert isinstance(caught.value.error, UpstreamRejected)
    assert not http.replies


async def test_a_caller_cannot_switch_metering_off_with_bad_stream_options() -> None:
    http = FakeHttp([FakeReply([REFUSAL], 400)])
    call = a_call(body=BODY | {"stream_options": {"bogus": 1}})
    with pytest.raises(UpstreamError) as caught:
        await OpenAiCompatible(http).stream(a_provider(), call, cost_of)
    assert isinstance(caught.value.error, UpstreamRejected)
