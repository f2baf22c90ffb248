"""A gateway with little patience: keep-alives in silence, its own deadline, errors after the answer has begun."""

from decimal import Decimal

from tests.e2e.support.customers import Customer
from tests.e2e.support.events import events_of
from tests.e2e.support.prices import DEMO

KEEP_ALIVE = ": keep-alive"


def test_silence_before_the_first_event_is_filled_with_comments(hasty: Customer) -> None:
    answer = hasty.chat(stream=True, demo={"first_delay_ms": 1200})
    events = events_of(answer.text)
    assert answer.text.startswith(f"{KEEP_ALIVE}\n")
    assert set(events.comments) == {KEEP_ALIVE}
    assert 2 <= len(events.comments) <= 5
    assert events.done
    assert hasty.usage(answer)["ended"] == "complete"


def test_silence_between_events_is_filled_with_comments(hasty: Customer) -> None:
    events = events_of(hasty.chat(stream=True, demo={"chunks": 2, "delay_ms": 700}).text)
    assert len(events.comments) >= 2
    assert (events.text, events.done) == ("Hello from", True)


def test_an_answer_that_is_not_silent_has_no_comments(hasty: Customer) -> None:
    assert events_of(hasty.chat(stream=True, demo={"chunks": 20, "delay_ms": 20}).text).comments == []


def test_an_error_after_the_first_comment_comes_in_band_and_costs_nothing(hasty: Customer) -> None:
    answer = hasty.chat("demo-first-event-error", stream=True, demo={"first_delay_ms": 700})
    events = events_of(answer.text)
    assert (answer.status_code, events.done) == (200, False)
    assert events.error is not None
    assert events.error["code"] == "upstream_error"
    row = hasty.usage(answer)
    assert (row["ended"], row["cost"]) == ("upstream_error", "0.000000000")


def test_a_provider_that_never_answers_is_left_at_the_deadline(hasty: Customer) -> None:
    answer = hasty.chat("demo-hang")
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "upstream_timeout")
    assert answer.headers["x-should-retry"] == "false"
    row = hasty.usage(answer)
    assert (row["ended"], row["usage_source"], row["cost"]) == ("deadline", "none", "0.000000000")


def test_a_stream_that_never_begins_ends_in_an_error_event_at_the_deadline(hasty: Customer) -> None:
    answer = hasty.chat("demo-hang", stream=True)
    events = events_of(answer.text)
    assert events.comments
    assert events.error is not None
    assert (events.error["code"], events.done) == ("upstream_timeout", False)
    row = hasty.usage(answer)
    assert (row["ended"], row["usage_source"], row["cost"]) == ("deadline", "none", "0.000000000")


def test_a_stream_at_its_deadline_is_charged_for_what_was_delivered(hasty: Customer) -> None:
    answer = hasty.chat("demo-slow", stream=True, demo={"chunks": 400, "delay_ms": 100})
    events = events_of(answer.text)
    assert events.error is not None
    assert (events.error["code"], events.done) == ("upstream_timeout", False)
    row = hasty.usage(answer)
    assert (row["ended"], row["usage_source"]) == ("deadline", "estimated")
    # Four bytes of delivered text are a token, and the prompt is estimated likewise.
    assert row["usage"]["completion_tokens"] == -(-len(events.text) // 4)
    charged = DEMO.of(row["usage"]["prompt_tokens"], row["usage"]["completion_tokens"])
    assert Decimal(row["cost"]) == charged > 0


def test_the_books_are_right_after_deadlines(hasty: Customer) -> None:
    hasty.stack.assert_books_are_right()
