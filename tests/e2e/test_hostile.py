"""Requests that nobody sends by accident: a clear 4xx or an ordinary answer, never a 5xx, and nothing stays held."""

import json
from typing import Any

import pytest

from tests.e2e.support.customers import Customer, chat_body
from tests.e2e.support.events import events_of

REFUSED: dict[str, Any] = {
    "max_tokens -1": {"max_tokens": -1},
    "max_tokens 1e18": {"max_tokens": 1e18},
    "max_tokens as text": {"max_tokens": "9"},
    "max_tokens true": {"max_tokens": True},
    "max_tokens 1.5": {"max_tokens": 1.5},
    "n -3": {"n": -3},
    "n 0": {"n": 0},
    "n 10**6": {"n": 10**6},
    "n as text": {"n": "2"},
    "stream as text": {"stream": "yes"},
    "no messages": {"messages": []},
    "messages as text": {"messages": "hello"},
    "a message as text": {"messages": ["hello"]},
    "an image as a file": {
        "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]}]
    },
    "a file id": {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}]},
    "a server-side tool": {"tools": [{"type": "web_search"}]},
    "somebody's answer": {"previous_response_id": "resp_1"},
    "a dearer tier": {"service_tier": "priority"},
    "model as a number": {"model": 7},
    "model as null": {"model": None},
}
SERVED: dict[str, Any] = {
    "max_tokens null": {"max_tokens": None},
    "max_tokens beyond the model's": {"max_tokens": 10**6},
    "stream null": {"stream": None},
    "NUL and controls": {"messages": [{"role": "user", "content": "a\u0000b\u001bc"}]},
    "a letter that grows": {"messages": [{"role": "user", "content": "\ufdfa" * 1000}]},
    "usage asked for without a stream": {"stream_options": {"include_usage": True}},
}
RAW = {
    "deep": b'{"model": "demo-chat", "messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a lone surrogate": json.dumps(chat_body(text="x\ud800y")).encode(),
    "broken UTF-8": b'{"model": "demo-chat", "messages": [{"role": "user", "content": "\xff\xfe"}]}',
    "NaN": b'{"model": "demo-chat", "messages": [{"role": "user", "content": "a"}], "temperature": NaN}',
    "a number too large": b'{"model": "demo-chat", "messages": [{"role": "user", "content": "a"}], "seed": '
    + b"9" * 400
    + b"}",
    "empty": b"",
}


@pytest.mark.parametrize("fields", REFUSED.values(), ids=REFUSED)
def test_a_senseless_or_unbounded_request_is_a_400_that_names_the_field(demo: Customer, fields: dict[str, Any]) -> None:
    answer = post(demo, fields)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert str(answer.json()["error"]["param"]).startswith(next(iter(fields)))


@pytest.mark.parametrize("fields", SERVED.values(), ids=SERVED)
def test_an_odd_request_is_served_and_charged(demo: Customer, fields: dict[str, Any]) -> None:
    answer = post(demo, fields)
    assert answer.status_code == 200, answer.text
    assert demo.usage(answer)["ended"] == "complete"


@pytest.mark.parametrize("body", RAW.values(), ids=RAW)
def test_a_malformed_body_is_a_400(demo: Customer, body: bytes) -> None:
    answer = demo.stack.http.post(
        f"{demo.stack.base_url}/chat/completions",
        content=body,
        headers=demo.headers | {"content-type": "application/json"},
    )
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["message"]


def test_a_duplicate_key_cannot_split_what_is_priced_from_what_is_forwarded(demo: Customer) -> None:
    body = b'{"model": "demo-chat", "max_tokens": 1, "max_tokens": 3, "messages": [{"role": "user", "content": "a"}]}'
    answer = demo.stack.http.post(
        f"{demo.stack.base_url}/chat/completions",
        content=body,
        headers=demo.headers | {"content-type": "application/json"},
    )
    assert answer.json()["usage"]["completion_tokens"] == 3
    assert demo.stack.last_upstream_request()["body"]["max_tokens"] == 3


def test_an_event_of_6_mb_is_passed_on_whole(demo: Customer) -> None:
    events = events_of(demo.chat("demo-big-event", stream=True).text)
    assert (len(events.text), events.done) == (6_000_000, True)


def test_nothing_of_this_stays_held(demo: Customer) -> None:
    demo.stack.assert_books_are_right()


def post(customer: Customer, fields: dict[str, Any]) -> Any:
    body = {**chat_body(), **fields}
    return customer.stack.http.post(f"{customer.stack.base_url}/chat/completions", json=body, headers=customer.headers)
