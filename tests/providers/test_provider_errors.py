"""Failures of providers in our tree: the caller's error, the next upstream, and what is never shown."""

import inspect
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import aiohttp
import orjson
import pytest

from multiconnection import errors as tree
from multiconnection.calls.upstream import UpstreamError
from multiconnection.chat.upstream import OpenAiCompatible
from multiconnection.errors import GatewayError
from multiconnection.providers import errors as providers_errors
from multiconnection.providers import http
from multiconnection.providers.errors import (
    _SECRET,
    reported_error,
    scrub,
    status_error,
    transport_error,
)
from multiconnection.providers.http import _failure, error_body
from tests.support.fake_http import FakeHttp, FakeReply
from tests.support.provider_fakes import a_call, a_provider, cost_of

SECRET = "sk-acme-secret-0123456789"
LEAKY = f"Incorrect thing {SECRET} Bearer abc.def at https://api.acme-models.example/v1 or api.acme-models.example:443"


def refused(status: int, body: Any = None, headers: Mapping[str, str] | None = None) -> UpstreamError:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return status_error(status, headers or {}, raw, a_provider())


@pytest.mark.parametrize("status", [*range(300, 309), *range(400, 432), 451, 498, 499, *range(500, 512), 520, 529, 599])
@pytest.mark.parametrize("body", [None, {"error": {"message": LEAKY}}, b"<html>oops</html>", b"\xff", []])
def test_every_status_maps_and_no_answer_leaks(status: int, body: Any) -> None:
    error = refused(status, body)
    assert isinstance(error.error, GatewayError)
    assert error.error.http_status in (400, 413, 429, 502)
    shown = orjson.dumps(error.error.body()).decode()
    for secret in (SECRET, "abc.def", "acme-models", "https://", "<html"):
        assert secret not in shown
    assert error.retry_elsewhere == (status not in (400, 413, 422))


@pytest.mark.parametrize("status", [401, 402, 403])
def test_our_broken_credentials_are_never_the_callers_fault(status: int) -> None:
    error = refused(status, {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}})
    assert isinstance(error.error, tree.UpstreamAuthFailed)
    assert (error.cool_down_s, error.retry_elsewhere) == (60, True)
    assert "Incorrect" not in error.error.message


@pytest.mark.parametrize(
    ("status", "body", "cool_down_s"),
    [
        (429, {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}, 60),
        (400, [{"error": {"code": 400, "message": "x", "details": [{"reason": "API_KEY_INVALID"}]}}], 60),
        (400, {"error": "Incorrect API key provided: sk-x***."}, 0),  # prose may quote the caller: closes nothing
    ],
)
def test_other_ways_to_say_that_our_key_is_bad(status: int, body: Any, cool_down_s: float) -> None:
    error = refused(status, body)
    assert isinstance(error.error, tree.UpstreamAuthFailed)
    assert error.cool_down_s == cool_down_s


@pytest.mark.parametrize(
    ("body", "message", "param", "code"),
    [
        ({"error": {"message": "bad", "param": "temperature", "code": "x_y"}}, "bad", "temperature", "x_y"),
        ({"error": "bad"}, "bad", None, None),
        ({"detail": "bad"}, "bad", None, None),
        ({"detail": [{"loc": ["body", "messages", 0], "msg": "bad"}]}, "bad", "messages.0", None),
        ([{"error": {"code": 400, "message": "bad", "status": "INVALID_ARGUMENT"}}], "bad", None, "INVALID_ARGUMENT"),
        ({"object": "error", "message": "bad", "code": 40303}, "bad", None, None),
        ({"message": {"detail": [{"msg": "bad"}]}}, "bad", None, None),
        ({"error": {"message": "bad", "code": "no code; drop table"}}, "bad", None, None),
        (b"<html>bad</html>", "The provider refused the request.", None, None),
        (b"", "The provider refused the request.", None, None),
        ({"error": {"message": 7}}, "The provider refused the request.", None, None),
        ({"error": {"message": "<html>"}}, "The provider refused the request.", None, None),
    ],
)
def test_every_error_shape_becomes_the_one_shape(body: Any, message: str, param: str | None, code: str | None) -> None:
    error = refused(422, body).error
    assert isinstance(error, tree.UpstreamRejected)
    assert (error.http_status, error.message, error.param, error.code) == (400, message, param, code)
    assert refused(413, body).error.http_status == 413


@pytest.mark.parametrize(
    "error",
    [
        {"message": "x", "code": "context_length_exceeded"},
        {"message": "This model's maximum context length is 65536 tokens. However, you requested 70000 tokens"},
        {"message": "the request exceeds the available context size", "type": "exceed_context_size_error"},
        {"message": "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576)."},
        {"message": "prompt is too long: 210000 tokens > 200000 maximum"},
    ],
)
@pytest.mark.parametrize("in_stream", [False, True])
def test_a_context_that_is_too_long_keeps_its_code(error: dict[str, str], in_stream: bool) -> None:
    mapped = (
        reported_error({"type": "invalid_request_error"} | error, a_provider())
        if in_stream
        else refused(400, {"error": error})
    )
    assert isinstance(mapped.error, tree.ContextTooLong)
    assert not mapped.retry_elsewhere


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, {"error": {"message": "The model `m-1` does not exist", "code": "model_not_found"}}),
        (404, b"404 page not found"),
        (
            400,
            {"error": {"message": "Model Not Exist", "type": "invalid_request_error", "code": "invalid_request_error"}},
        ),
        (400, {"error": {"message": "x", "code": "model_not_found"}}),
    ],
)
def test_a_model_missing_at_the_provider_is_our_configuration(status: int, body: Any) -> None:
    error = refused(status, body)
    assert type(error.error) is tree.UpstreamFailed
    assert (error.retry_elsewhere, error.cool_down_s) == (True, 0)


def test_moderation_is_about_the_request_and_closes_nothing() -> None:
    error = refused(403, {"error": {"code": 403, "message": "flagged", "metadata": {"reasons": ["violence"]}}})
    assert isinstance(error.error, tree.UpstreamRejected)
    assert (error.retry_elsewhere, error.cool_down_s, error.error.http_status) == (False, 0, 400)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("7", 7), ("0.2", 1), ("9000", 60), ("-5", 5), ("nan", 5), ("inf", 5), ("soon", 5), ("", 5), (None, 5)],
)
def test_retry_after_in_seconds(given: str | None, seconds: float) -> None:
    headers = {} if given is None else {"retry-after": given}
    error = refused(429, headers=headers)
    assert isinstance(error.error, tree.RateLimited)
    assert error.error.details == {"reason": "upstream"}
    assert error.error.retry_after_s == error.cool_down_s == seconds


def in_s(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def hints() -> list[tuple[Mapping[str, str], Any]]:
    """Headers and bodies that say 30 seconds from now."""
    return [
        ({"Retry-After": "30"}, None),
        ({"retry-after-ms": "30000"}, None),
        ({"retry-after-ms": "30000", "retry-after": "9"}, None),
        ({"retry-after": "30.0"}, {"error": {"message": "x", "retry_after": 9}}),
        ({"retry-after": "30s"}, None),
        ({"retry-after": "0m30s"}, None),
        ({"retry-after": format_datetime(in_s(30.5), usegmt=True)}, None),
        ({"retry-after": in_s(30.5).isoformat()}, None),
        ({"retry-after": str(int(in_s(30.5).timestamp()))}, None),
        ({}, {"error": {"message": "x", "retry_after": 30}}),
        ({}, {"error": {"message": "x", "retry_after": "30"}}),
        ({}, {"error": {"message": "x"}, "retry_after_seconds": 30}),
        ({}, {"error": "x", "retryAfterMs": 30_000}),
        ({}, {"message": "x", "code": "overloaded", "retry_after_ms": 30_000}),
        ({}, {"error": {"message": "x", "metadata": {"retry_after_seconds": 30}}}),
        ({}, {"error": {"message": "x", "metadata": {"headers": {"Retry-After": "30"}}}}),
        (
            {},
            {
                "error": {
                    "message": "x",
                    "metadata": {"headers": {"X-RateLimit-Reset": str(int(in_s(30).timestamp() * 1000))}},
                }
            },
        ),
        (
            {},
            [
                {
                    "error": {
                        "message": "x",
                        "details": [{"reason": "X"}, {"@type": "a/google.rpc.RetryInfo", "retryDelay": "30s"}],
                    }
                }
            ],
        ),
        ({}, {"error": {"message": "x", "details": [{"retryDelay": {"seconds": "30", "nanos": 1}}]}}),
    ]


@pytest.mark.parametrize("status", [429, 500, 503, 529])
@pytest.mark.parametrize("number", range(len(hints())))
def test_a_provider_may_say_anywhere_when_to_come_back(number: int, status: int) -> None:
    """The caller is told, whatever the status, and the provider is left alone for as long."""
    headers, body = hints()[number]
    error = refused(status, body, headers)
    assert error.error.http_status == (429 if status == 429 else 502)
    assert error.error.retry_after_s is not None
    assert 28 < error.error.retry_after_s <= 31
    assert error.cool_down_s == error.error.retry_after_s
    assert error.error.headers()["retry-after"] in ("29", "30", "31")


@pytest.mark.parametrize(
    "text", ["Please try again in 30s.", "Retry after 30 seconds", "try again in 0m30.0s: see", "wait 30000ms"]
)
@pytest.mark.parametrize("status", [429, 503])
def test_words_tell_the_caller_and_close_nothing(text: str, status: int) -> None:
    """They may quote the caller, who could otherwise close a provider to everybody."""
    error = refused(status, {"error": {"message": f"Limit reached. {text}"}})
    assert error.error.retry_after_s == 30
    assert error.cool_down_s == 5


def test_the_reset_of_a_limit_counts_where_that_limit_is_used_up() -> None:
    headers = {
        "x-ratelimit-remaining-requests": "12",
        "x-ratelimit-reset-requests": "50s",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "6m0s",
    }
    assert refused(429, headers=headers).error.retry_after_s == 60
    assert refused(503, headers=headers).error.retry_after_s is None
    assert refused(429, headers=headers | {"x-ratelimit-remaining-tokens": "9"}).error.retry_after_s == 5


def test_an_error_inside_a_200_keeps_its_hint() -> None:
    error = reported_error({"code": 529, "message": "overloaded", "metadata": {"retry_after": 30}}, a_provider())
    assert (error.error.http_status, error.error.retry_after_s, error.cool_down_s) == (502, 30, 30)


def test_a_moment_that_has_passed_is_now_and_a_far_one_is_the_most() -> None:
    for date, seconds in (("Wed, 21 Oct 2015 07:28:00 GMT", 1), ("Wed, 21 Oct 2915 07:28:00 -0000", 60)):
        assert refused(503, headers={"retry-after": date}).error.retry_after_s == seconds


@pytest.mark.parametrize(
    "hint", [True, -1, float("nan"), "1e999", "", "soon", [], {}, {"seconds": []}, 10**400, "9" * 65]
)
def test_a_hint_that_is_none_is_as_if_it_were_absent(hint: Any) -> None:
    body = b'{"error": {"message": "x", "retry_after": %b}}' % json.dumps(hint).encode()
    assert refused(503, body).error.retry_after_s is None
    assert refused(429, body).error.retry_after_s == 5


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"code": 429, "message": "x"}, 429),
        ({"code": "429", "message": "x"}, 429),
        ({"code": "rate_limit_exceeded"}, 429),
        ({"type": "invalid_request_error", "message": "x"}, 400),
        ({"code": 200}, 502),
        ({"code": 10**40}, 502),
        ({"status": "RESOURCE_EXHAUSTED"}, 429),
        ("text", 502),
        (["odd"], 502),
        (None, 502),
        (True, 502),
    ],
)
def test_an_error_inside_a_200_gets_the_status_it_names(error: object, status: int) -> None:
    assert reported_error(error, a_provider()).error.http_status == status


def test_all_transport_failures_map() -> None:
    kinds = [
        kind
        for _, kind in inspect.getmembers(http, inspect.isclass)
        if issubclass(kind, providers_errors.TransportFailure)
    ]
    assert len(kinds) == 6
    for kind in kinds:
        error = transport_error(kind("x"))
        assert error.retry_elsewhere
        assert error.cool_down_s > 0
        assert error.error.http_status in (502, 504)
    assert transport_error(providers_errors.AnswerTimedOut("x")).error.headers() == {"x-should-retry": "false"}
    assert transport_error(providers_errors.ConnectTimedOut("x")).error.headers() == {}
    assert transport_error(providers_errors.ConnectFailed("x")).cool_down_s == 10


def test_all_client_exceptions_map() -> None:
    kinds = [kind for _, kind in inspect.getmembers(aiohttp, inspect.isclass) if issubclass(kind, aiohttp.ClientError)]
    assert len(kinds) > 20
    for kind in kinds:
        assert isinstance(_failure(kind.__new__(kind)), providers_errors.TransportFailure)
    for exc in (TimeoutError(), OSError(), ValueError(), ConnectionResetError()):
        assert isinstance(_failure(exc), providers_errors.TransportFailure)


def test_scrubbing() -> None:
    text = scrub(
        f"{LEAKY} gsk_abcdefgh AIzaSyA-1234567890 localhost:11434 10.0.0.7:80 org-abcdefgh12 a.b.internal", a_provider()
    )
    for secret in (SECRET, "abc.def", "acme", "gsk_", "AIza", "localhost", "10.0.0.7", "org-", "internal"):
        assert secret not in text
    assert text.startswith("Incorrect thing [redacted]")
    assert len(scrub("long " * 1000, a_provider())) == 500
    assert scrub("a\x00b\n\ud800", replace(a_provider(), api_key=None)) == "a\x00b ?"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "failure",
    [providers_errors.ConnectFailed("x"), providers_errors.AnswerTimedOut("x"), providers_errors.ConnectionCut("x")],
)
async def test_a_failed_post_is_an_upstream_error(stream: bool, failure: providers_errors.TransportFailure) -> None:
    dialect = OpenAiCompatible(FakeHttp([failure]))
    with pytest.raises(UpstreamError) as caught:
        await (dialect.stream(a_provider(), a_call(), cost_of) if stream else dialect.complete(a_provider(), a_call()))
    assert caught.value.retry_elsewhere


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "pieces", [[b'{"error": {"message": "no"}}'], [b'{"err', providers_errors.ConnectionCut("x")], []]
)
async def test_a_refusal_is_known_by_its_status_even_when_its_body_is_lost(stream: bool, pieces: Any) -> None:
    reply = FakeReply(pieces, 503)
    dialect = OpenAiCompatible(FakeHttp([reply]))
    with pytest.raises(UpstreamError) as caught:
        await (dialect.stream(a_provider(), a_call(), cost_of) if stream else dialect.complete(a_provider(), a_call()))
    assert type(caught.value.error) is tree.UpstreamFailed
    assert reply.closed


def test_hostile_text_costs_no_time_and_no_key_is_cut_in_two() -> None:
    started = time.process_time()
    for text in ("a." * 100_000, "input token count " * 20_000, f"{'x' * 1980} {SECRET}", "model " * 50_000):
        error = refused(400, {"error": {"message": text, "param": "p" * 10**6, "code": "c" * 10**6}}).error
        assert len(error.message) <= 500
        assert "sk-acme" not in error.message
        assert error.code in (None, "context_length_exceeded")
    assert time.process_time() - started < 2


KEY = "a-" * 16_000
HOSTILE_BODIES = {
    "a key of the caller's in FastAPI's loc": {
        "detail": [{"loc": ["body", "metadata", KEY], "msg": "bad", "type": "x"}]
    },
    "many steps": {"detail": [{"loc": ["body", *["a-" * 30] * 1000], "msg": "bad"}]},
    "a step that is a tree": {"detail": [{"loc": [["a"] * 10_000, {"b": "c"}], "msg": "bad"}]},
    "many details": {"detail": [{"loc": ["body", str(at)], "msg": "x" * 40} for at in range(1000)]},
    "many reasons": {"error": {"message": "bad", "details": [{"reason": 1}] * 6000}},
    "a long message": {"error": {"message": "a." * 30_000, "code": "a." * 10_000, "param": "-a" * 10_000}},
    "words that exceed": {"error": {"message": "exceed" * 10_000}},
    "input token counts": {"error": {"message": "input token count " * 3000}},
    "models": {"error": {"message": "model " * 10_000}},
    "bearers": {"error": {"message": "bearer" + " " * 60_000 + '"'}},
    "keys": {"error": {"message": "sk-" * 20_000, "type": "sk-" * 20_000}},
    "lists": [[[[[{"error": {"message": "deep", "code": 422}}]]]]],
    "too deep": b"[" * 1015 + b"]" * 1015,
    "deeper": b'{"error":' * 6000 + b"1" + b"}" * 6000,
    "objects in objects": b'{"error":' * 150 + b'{"message":"deep"}' + b"}" * 150,
}


@pytest.mark.parametrize("kind", HOSTILE_BODIES)
@pytest.mark.parametrize("status", [400, 422, 500])
def test_a_hostile_error_body_costs_little_and_says_little(kind: str, status: int) -> None:
    best, error = float("inf"), refused(status)
    for _ in range(3):
        began = time.process_time()
        error = refused(status, HOSTILE_BODIES[kind])
        best = min(best, time.process_time() - began)
    assert len(error.error.message) <= 600
    assert len(error.error.param or "") <= 200
    assert len(error.error.code or "") <= 64
    assert error.error.http_status in (400, 502)
    # A few milliseconds; half a minute when the path of a field was searched for keys of any length.
    assert best <= 0.1


@pytest.mark.parametrize(
    "unit", ["a-", "a.", "-", "a", "a_", "1.", "x:", "://", "sk-", "bearer ", "localhost", "com.", "\u0301", "a b."]
)
def test_a_text_is_scrubbed_in_time_linear_in_its_length(unit: str) -> None:
    def seconds(size: int) -> float:
        text, best = (unit * size)[:size], float("inf")
        for _ in range(5):
            began = time.process_time()
            _SECRET.sub("", text)
            best = min(best, time.process_time() - began)
        return best

    assert seconds(64_000) <= 50 * max(seconds(4_000), 20e-6)


@pytest.mark.parametrize(
    "host", ["api.acme.com", "api.acme.com.", "(eu.api.acme.ai)", "x.local:8080,", "a--b.c.internal/v1"]
)
def test_addresses_are_redacted_wherever_they_stand(host: str) -> None:
    assert ".com" not in (shown := scrub(f"cannot reach {host} now", a_provider()))
    assert not any(word in shown for word in ("acme", "local", "internal"))


@pytest.mark.parametrize("given", ["9" * 30_000, "x" * 30_000, ("Mon, " * 6000), "1e" + "9" * 30_000])
def test_a_hostile_retry_after_costs_nothing(given: str) -> None:
    began = time.process_time()
    error = refused(503, {"error": {"message": f"try again in {given}", "retry_after": given}}, {"retry-after": given})
    assert (error.error.retry_after_s or 1.0) <= 60
    assert time.process_time() - began < 0.1


async def test_only_what_is_needed_of_a_refusal_is_read() -> None:
    reply = FakeReply([b"x" * 16_384] * 100, 500)
    assert await error_body(reply) == b""
    assert reply.closed
    assert reply.unread >= 95
