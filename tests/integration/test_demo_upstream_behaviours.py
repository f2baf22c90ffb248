"""Each misbehaving demo model does what the table says."""

import json
import socket
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from local.demo_upstream import BEHAVIOURS
from local.demo_upstream.testing import demo_process, demo_upstream

# Each poll is a round trip of about a millisecond.
POLLS_MAX = 2000
HELLO = [{"role": "user", "content": "good morning world"}]
CONTENT = '"delta":{"content":"'


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with demo_upstream() as url:
        yield url


@pytest.fixture
def client(base_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=base_url, timeout=20) as client:
        client.post(base_url.removesuffix("/v1") + "/_reset")
        yield client


def body(model: str, *, stream: bool = True, **more: Any) -> dict[str, Any]:
    return {
        "model": model,
        "messages": HELLO,
        "stream": stream,
        **({"stream_options": {"include_usage": True}} if stream else {}),
        **more,
    }


def post(client: httpx.Client, model: str, *, stream: bool = True, **more: Any) -> httpx.Response:
    return client.post("chat/completions", json=body(model, stream=stream, **more))


def events(text: str) -> list[Any]:
    found = [line.removeprefix("data: ") for line in text.replace("\r\n", "\n").split("\n") if line.startswith("data")]
    return [one if one == "[DONE]" else json.loads(one) for one in found]


def usages(found: list[Any]) -> list[Any]:
    return [event["usage"] for event in found if event != "[DONE]" and event.get("usage") is not None]


def stats(client: httpx.Client) -> dict[str, Any]:
    return dict(client.get(str(client.base_url).removesuffix("/v1/") + "/_stats").json())


WELL_FORMED = sorted(
    set(BEHAVIOURS)
    - {name for name in BEHAVIOURS if name.startswith(("demo-error", "demo-fail", "demo-first"))}
    - {"demo-cut", "demo-eof", "demo-empty", "demo-no-done", "demo-json-for-stream", "demo-flaky", "demo-hang"}
)


@pytest.mark.parametrize("model", WELL_FORMED)
def test_a_model_that_only_words_it_differently_gives_a_whole_stream(client: httpx.Client, model: str) -> None:
    found = events(post(client, model, demo={"delay_ms": 1, "first_delay_ms": 1}).text)
    assert found[-1] == "[DONE]"
    finishes = [one["finish_reason"] for event in found[:-1] for one in event["choices"] if one["finish_reason"]]
    assert finishes == ["stop"]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("model", "status", "part"),
    [
        ("demo-error-500", 500, '"type":"server_error"'),
        ("demo-error-429", 429, '"code":"rate_limit_exceeded"'),
        ("demo-error-400", 400, '"param":"temperature"'),
        ("demo-error-401", 401, '"code":"invalid_api_key"'),
        ("demo-error-html", 502, "<html>"),
        ("demo-error-200", 200, '{"error":{'),
    ],
)
def test_errors_before_the_answer(client: httpx.Client, stream: bool, model: str, status: int, part: str) -> None:
    answer = post(client, model, stream=stream)
    assert answer.status_code == status
    assert part in answer.text
    assert answer.headers.get("retry-after") == ("1" if status == 429 else None)
    assert answer.headers["content-type"].startswith("text/html" if status == 502 else "application/json")


def test_flaky_fails_every_odd_time(client: httpx.Client) -> None:
    assert [post(client, "demo-flaky").status_code for _ in range(4)] == [500, 200, 500, 200]


@pytest.mark.parametrize(
    ("model", "contents", "last_key"),
    [
        ("demo-fail-midstream", 3, "error"),
        ("demo-eof", 3, "choices"),
        ("demo-first-event-error", 0, "error"),
        ("demo-no-done", 10, "usage"),
    ],
)
def test_streams_that_end_badly_but_cleanly(client: httpx.Client, model: str, contents: int, last_key: str) -> None:
    text = post(client, model).text
    assert text.count(CONTENT) == contents
    assert last_key in events(text)[-1]
    assert "[DONE]" not in text
    assert ('"finish_reason":"stop"' in text) == (model == "demo-no-done")


@pytest.mark.parametrize("model", ["demo-fail-midstream", "demo-first-event-error"])
def test_what_fails_in_a_stream_is_a_500_unstreamed(client: httpx.Client, model: str) -> None:
    assert post(client, model, stream=False).status_code == 500


def test_empty_answers_have_no_bytes(client: httpx.Client) -> None:
    answers = [post(client, "demo-empty", stream=stream) for stream in (True, False)]
    assert [(one.status_code, one.content) for one in answers] == [(200, b""), (200, b"")]


def test_eof_unstreamed_is_half_a_json(client: httpx.Client) -> None:
    answer = post(client, "demo-eof", stream=False)
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def raw(base_url: str, request: dict[str, Any]) -> bytes:
    """All bytes that come back until the server closes the connection."""
    where, content = urlsplit(base_url), json.dumps(request).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
    head += f"content-length: {len(content)}\r\n\r\n"
    with socket.create_connection((where.hostname or "", where.port or 0), timeout=10) as connection:
        connection.sendall(head.encode() + content)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_cut_drops_a_stream_without_the_terminating_chunk(base_url: str) -> None:
    answer = raw(base_url, body("demo-cut"))
    assert b"transfer-encoding: chunked" in answer
    assert answer.count(CONTENT.encode()) == 3
    assert answer.endswith(b"}\n\n\r\n")


def test_cut_drops_a_body_in_the_middle(base_url: str, client: httpx.Client) -> None:
    head, _, half = raw(base_url, body("demo-cut", stream=False)).partition(b"\r\n\r\n")
    declared = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"content-length"))
    assert len(half) == declared // 2
    with pytest.raises(httpx.RemoteProtocolError):
        post(client, "demo-cut", stream=False)


@pytest.mark.parametrize(
    ("model", "usage"),
    [
        ("demo-usage-zero", [0, 0, 0]),
        ("demo-usage-huge", [10**15, 10**15, 2 * 10**15]),
        ("demo-usage-negative", [-10, -20, -30]),
        ("demo-usage-float", [10.5, 20.25, 30.75]),
        ("demo-usage-string", ["10", "20", "30"]),
    ],
)
def test_wrong_usage_streamed_and_not(client: httpx.Client, model: str, usage: list[object]) -> None:
    [streamed] = usages(events(post(client, model).text))
    assert list(streamed.values()) == usage
    assert post(client, model, stream=False).json()["usage"] == streamed


def test_no_usage_means_none_at_all(client: httpx.Client) -> None:
    assert "usage" not in post(client, "demo-no-usage").text.replace("demo-no-usage", "")
    assert "usage" not in post(client, "demo-no-usage", stream=False).json()


def test_usage_twice_is_the_same_usage(client: httpx.Client) -> None:
    found = events(post(client, "demo-usage-twice").text)
    first, second = usages(found)
    assert first == second
    assert [len(event["choices"]) for event in found[-3:-1]] == [1, 0]


def test_json_for_stream_is_one_completion(client: httpx.Client) -> None:
    answer = post(client, "demo-json-for-stream")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["object"] == "chat.completion"


def test_crlf_is_torn_but_whole(client: httpx.Client) -> None:
    text = post(client, "demo-crlf").text
    assert "\n" not in text.replace("\r\n", "")
    assert "\r\n: größer\r\n" in text
    assert len(raw(str(client.base_url).rstrip("/"), body("demo-crlf") | {"n": 2}).split(b"\r\n1\r\n")) > 9


def test_deepseek_thinks_aloud_and_reports_its_cache(client: httpx.Client) -> None:
    text = post(client, "demo-deepseek").text
    assert ": keep-alive\n\n" in text
    assert text.count('"reasoning_content":') == 8
    [usage] = usages(events(text))
    assert usage["prompt_cache_hit_tokens"] + usage["prompt_cache_miss_tokens"] == usage["prompt_tokens"] == 7
    assert usage["completion_tokens"] == 8 + 10
    whole = post(client, "demo-deepseek", stream=False)
    assert whole.text.startswith("\n\n")
    assert whole.json()["choices"][0]["message"]["reasoning_content"] == "Let me think about this for a moment."


def test_gemini_counts_up_and_hides_its_thinking(client: httpx.Client) -> None:
    found = usages(events(post(client, "demo-gemini").text))
    assert [usage["completion_tokens"] for usage in found] == [*range(1, 11), 10]
    assert all(one["total_tokens"] <= two["total_tokens"] for one, two in pairwise(found))
    assert found[-1] == {"prompt_tokens": 7, "completion_tokens": 10, "total_tokens": 7 + 10 + 8}


def test_groq_tells_its_usage_in_a_field_of_its_own(client: httpx.Client) -> None:
    found = events(post(client, "demo-groq").text)
    assert found[-3]["x_groq"]["usage"] == found[-2]["usage"]
    unasked = events(post(client, "demo-groq", stream_options={}).text)
    assert unasked[-2]["x_groq"]["usage"] == found[-2]["usage"]


def test_big_event_is_six_megabytes(client: httpx.Client) -> None:
    longest = max(post(client, "demo-big-event").content.split(b"\n\n"), key=len)
    assert 6_000_000 < len(longest) < 6_001_000


def test_slow_leaves_time_between_chunks(client: httpx.Client) -> None:
    answer = post(client, "demo-slow", max_tokens=2)
    assert answer.elapsed.total_seconds() >= 0.6


def test_silent_sends_its_headers_and_then_nothing(client: httpx.Client) -> None:
    with client.stream("POST", "chat/completions", json=body("demo-silent"), timeout=0.2) as answer:
        assert answer.status_code == 200
        with pytest.raises(httpx.ReadTimeout):
            answer.read()


@pytest.mark.parametrize("model", ["demo-hang", "demo-client-watch"])
def test_a_client_that_leaves_is_counted(client: httpx.Client, model: str) -> None:
    with pytest.raises(httpx.ReadTimeout):
        client.post("chat/completions", json=body(model), timeout=0.1)
    assert any(stats(client)["clients_gone"] == {model: 1} for _ in range(POLLS_MAX))


def test_stats_show_the_last_request_without_its_key(client: httpx.Client) -> None:
    request = body("demo-chat", stream=False, unknown={"kept": True})
    client.post("chat/completions", json=request, headers={"Authorization": "Bearer sk-secret", "X-Own": "Yes"})
    seen = stats(client)
    assert seen["requests"] == {"demo-chat": 1}
    assert seen["last_request"]["body"] == request
    assert (seen["last_request"]["headers"]["authorization"], seen["last_request"]["headers"]["x-own"]) == (
        "present",
        "Yes",
    )
    client.post(str(client.base_url).removesuffix("/v1/") + "/_reset")
    assert stats(client) == {"requests": {}, "clients_gone": {}, "last_request": None}


def test_sigterm_ends_it_at_once_even_with_an_open_stream() -> None:
    with demo_process() as (url, process):
        with httpx.stream("POST", f"{url}/chat/completions", json=body("demo-silent")):
            process.terminate()
            try:
                process.wait(2)
            except subprocess.TimeoutExpired:
                pytest.fail("still running two seconds after SIGTERM")
