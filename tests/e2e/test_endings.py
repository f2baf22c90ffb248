"""Every way in which a provider can answer, and what is charged for it: the endings table of the ledger."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from tests.e2e.support.customers import Customer, chat_body
from tests.e2e.support.events import events_of
from tests.e2e.support.prices import DEMO

FREE = "0.000000000"
SAID = "Hello from the demo model! You said: one two three"
ONE_TOOL: dict[str, Any] = {
    "tools": [
        {
            "type": "function",
            "function": {"name": "look", "parameters": {"type": "object", "properties": {"at": {"type": "string"}}}},
        }
    ]
}


@dataclass(frozen=True, slots=True)
class Whole:
    """A complete answer and the tokens that the provider reported for it."""

    model: str
    completion: int = 10
    prompt: int = 7
    cached: int = 0
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Broken:
    """No answer, or half of one; `streamed` is how the stream ends where that differs from `ended`."""

    model: str
    status: int
    code: str
    ended: str = "upstream_error"
    streamed: str | None = None


WHOLE = (
    Whole("demo-chat"),
    Whole("demo-slow", fields={"demo": {"delay_ms": 20}}),
    Whole("demo-silent", fields={"demo": {"first_delay_ms": 200}}),
    Whole("demo-flaky"),
    Whole("demo-fallback"),
    Whole("demo-usage-twice"),
    Whole("demo-usage-zero", prompt=0, completion=0),
    Whole("demo-no-done"),
    Whole("demo-json-for-stream"),
    Whole("demo-crlf"),
    Whole("demo-tools-raw", completion=1 + 2, fields=ONE_TOOL),
    Whole("demo-deepseek", completion=8 + 10, cached=3),
    # Thinking that is in the total only is charged as well.
    Whole("demo-gemini", completion=8 + 10),
    Whole("demo-groq"),
    Whole("demo-big-event", completion=1),
)
# Nothing is reported, or nonsense: the charge is an estimate from the delivered text.
UNMEASURED = (
    "demo-no-usage",
    "demo-usage-huge",
    "demo-usage-negative",
    "demo-usage-float",
    "demo-usage-string",
)
BROKEN = (
    Broken("demo-error-500", 502, "upstream_error"),
    Broken("demo-error-429", 429, "rate_limited"),
    Broken("demo-error-400", 400, "unsupported_value"),
    Broken("demo-error-401", 502, "upstream_auth_error"),
    Broken("demo-error-html", 502, "upstream_error"),
    Broken("demo-error-200", 502, "upstream_error"),
    Broken("demo-first-event-error", 502, "upstream_error"),
    Broken("demo-empty", 502, "upstream_error", ended="empty"),
    Broken("demo-fail-midstream", 502, "upstream_error", streamed="mid_stream_error"),
    Broken("demo-cut", 502, "upstream_error", streamed="mid_stream_error"),
    Broken("demo-eof", 502, "upstream_error", streamed="mid_stream_error"),
)
# Ends at the gateway's deadline, see test_silence.py.
ELSEWHERE = {"demo-hang"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("whole", WHOLE, ids=lambda whole: whole.model)
def test_a_complete_answer_costs_the_usage_that_the_provider_reports(
    demo: Customer, whole: Whole, stream: bool
) -> None:
    before = demo.available()
    answer = demo.chat(whole.model, stream=stream, **whole.fields)
    assert answer.status_code == 200, answer.text
    assert not stream or events_of(answer.text).done
    row = demo.charged(answer, before)
    assert (row["ended"], row["usage_source"], row["streamed"]) == ("complete", "upstream", stream)
    usage = row["usage"]
    counted = (usage["prompt_tokens"], usage["completion_tokens"], usage["prompt_tokens_details"]["cached_tokens"])
    assert counted == (whole.prompt, whole.completion, whole.cached)
    assert Decimal(row["cost"]) == DEMO.of(whole.prompt, whole.completion, whole.cached)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", UNMEASURED)
def test_an_answer_without_usable_usage_costs_an_estimate(demo: Customer, model: str, stream: bool) -> None:
    before = demo.available()
    answer = demo.chat(model, stream=stream)
    row = demo.charged(answer, before, overrun=model == "demo-usage-huge")
    assert (row["ended"], row["usage_source"]) == ("complete", "estimated")
    (asked,) = chat_body(model)["messages"]
    # Four bytes a token; a message is four more.
    prompt, completion = 4 - (-len(asked["content"]) // 4), -(-len(SAID) // 4)
    assert (row["usage"]["prompt_tokens"], row["usage"]["completion_tokens"]) == (prompt, completion)
    assert Decimal(row["cost"]) == DEMO.of(prompt, completion)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.model)
def test_no_answer_costs_nothing(demo: Customer, broken: Broken) -> None:
    before = demo.available()
    answer = demo.chat(broken.model)
    assert (answer.status_code, answer.json()["error"]["code"]) == (broken.status, broken.code)
    row = demo.charged(answer, before)
    assert (row["ended"], row["usage_source"], row["cost"]) == (broken.ended, "none", FREE)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.model)
def test_no_answer_or_half_of_one_costs_nothing_in_a_stream_and_never_looks_whole(
    demo: Customer, broken: Broken
) -> None:
    before = demo.available()
    answer = demo.chat(broken.model, stream=True)
    if broken.streamed == "mid_stream_error":
        events = events_of(answer.text)
        error = events.error
        assert (answer.status_code, events.text, events.done) == (200, "Hello from the", False)
    else:
        error = answer.json()["error"]
        assert answer.status_code == broken.status
    assert error is not None
    assert error["code"] == broken.code
    row = demo.charged(answer, before)
    assert (row["ended"], row["usage_source"], row["cost"]) == (broken.streamed or broken.ended, "none", FREE)


def test_every_demo_model_is_covered(demo: Customer) -> None:
    listed = {model["id"] for model in demo.get("/models").json()["data"] if model["id"].startswith("demo-")}
    covered = {case.model for case in (*WHOLE, *BROKEN)} | set(UNMEASURED) | ELSEWHERE
    assert listed == covered


def test_the_books_are_right_after_all_endings(demo: Customer) -> None:
    demo.stack.assert_books_are_right()
