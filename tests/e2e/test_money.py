"""What a call costs, who may spend what, and that nothing is lost or charged twice."""

from decimal import Decimal

import pytest

from tests.e2e.support.customers import Customer, new_customer, new_key
from tests.e2e.support.events import events_of
from tests.e2e.support.prices import DEEPSEEK_FLASH, DEMO
from tests.e2e.support.stack import LocalStack

NOTHING = Decimal(0)


@pytest.fixture(scope="module")
def rich(stack: LocalStack) -> Customer:
    return new_customer(stack, "5")


@pytest.fixture
def poor(stack: LocalStack) -> Customer:
    """Can pay for a call of some 2,400 tokens of output."""
    return new_customer(stack, "0.001")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("cache_key", "cached"), [(None, 0), ("k", 3)])
def test_the_cost_is_tokens_times_price_and_the_balance_falls_by_exactly_that(
    rich: Customer, stream: bool, cache_key: str | None, cached: int
) -> None:
    before = rich.available()
    answer = rich.chat("deepseek-v4-flash", stream=stream, prompt_cache_key=cache_key)
    row = rich.usage(answer)
    assert row["usage"]["prompt_tokens_details"]["cached_tokens"] == cached
    assert (row["usage"]["prompt_tokens"], row["usage"]["completion_tokens"]) == (7, 10)
    cost = DEEPSEEK_FLASH.of(prompt=7, completion=10, cached=cached)
    assert Decimal(row["cost"]) == cost
    assert rich.balance()["in_flight"] == "0.000000000"
    assert before - rich.available() == cost


def test_a_call_in_flight_has_money_set_aside(rich: Customer) -> None:
    url = f"{rich.stack.base_url}/chat/completions"
    body = {"model": "demo-chat", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    slow = body | {"max_tokens": 20, "demo": {"chunks": 20, "delay_ms": 50}}
    before = rich.available()
    with rich.stack.http.stream("POST", url, json=slow, headers=rich.headers) as answer:
        lines = answer.iter_lines()
        next(lines)
        balance = rich.balance()
        held = Decimal(balance["in_flight"])
        assert held >= DEMO.of(prompt=5, completion=20)
        assert Decimal(balance["available"]) + held == before
        assert list(lines)[-2:] == ["data: [DONE]", ""]
    assert rich.balance()["in_flight"] == "0.000000000"


def test_a_402_names_the_tokens_that_are_affordable_and_they_are(poor: Customer) -> None:
    refused = poor.chat(max_tokens=8000)
    error = refused.json()["error"]
    assert (refused.status_code, error["code"], error["reason"]) == (402, "insufficient_balance", "account_balance")
    assert Decimal(error["available"]) == Decimal("0.001") < Decimal(error["required"])
    assert "x-should-retry" not in refused.headers or refused.headers["x-should-retry"] == "false"
    affordable = error["affordable_max_tokens"]
    assert poor.chat(max_tokens=affordable + 100).status_code == 402
    assert poor.chat(max_tokens=affordable).status_code == 200


def test_an_open_ended_call_is_shortened_to_the_balance(poor: Customer) -> None:
    answer = poor.chat(stream=True, stream_options={"include_usage": True}, demo={"chunks": 8000})
    limit = poor.stack.last_upstream_request()["body"]["max_tokens"]
    assert 64 <= limit < 2500
    events = events_of(answer.text)
    assert events.done
    assert events.chunks[-2]["choices"][0]["finish_reason"] == "length"
    assert events.chunks[-1]["usage"]["completion_tokens"] == limit
    assert Decimal("0.001") - poor.available() == DEMO.of(prompt=7, completion=limit)
    assert poor.available() >= NOTHING


def test_nothing_is_served_below_the_least_answer(stack: LocalStack) -> None:
    broke = new_customer(stack, "0.00002")
    refused = broke.chat()
    assert (refused.status_code, refused.json()["error"]["code"]) == (402, "insufficient_balance")


def test_a_key_with_a_budget_never_exceeds_it_while_the_account_can_go_on(stack: LocalStack, rich: Customer) -> None:
    budget = Decimal("0.0001")
    capped = new_key(stack, rich.account_id, "--budget", str(budget))
    before, calls = rich.available(), 0
    while (answer := capped.chat(max_tokens=100)).status_code == 200:
        calls += 1
    error = answer.json()["error"]
    assert (error["code"], error["reason"]) == ("insufficient_balance", "key_budget")
    spent = before - rich.available()
    assert spent == calls * DEMO.of(prompt=7, completion=10) <= budget
    assert calls > 5
    assert rich.chat(max_tokens=100).status_code == 200


@pytest.mark.parametrize("change", ["disable", "delete"])
def test_a_revoked_key_is_refused_at_the_very_next_call(stack: LocalStack, rich: Customer, change: str) -> None:
    key = new_key(stack, rich.account_id)
    assert key.chat().status_code == 200
    stack.cli("key", change, key.key_id, "--account", rich.account_id)
    refused = key.chat()
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")
    assert rich.chat().status_code == 200


def test_a_grant_with_an_id_is_credited_once_and_usable_at_once(stack: LocalStack) -> None:
    stack.cli("account", "create", "Granted", "--id", "granted")
    key = new_key(stack, "granted")
    assert key.chat().status_code == 402
    for _ in range(2):
        row = stack.cli("credit", "grant", "granted", "2.5", "--id", "promotion")
        assert row["credits_in"] == "2.500000000"
    assert key.chat().status_code == 200


def test_the_books_are_right_after_all_of_this(stack: LocalStack) -> None:
    totals = stack.assert_books_are_right()
    parts = sum(Decimal(totals[name]) for name in ("available", "held", "charged"))
    assert Decimal(totals["credits_in"]) == parts
