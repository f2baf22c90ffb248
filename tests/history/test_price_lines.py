"""Lines of a charge: exact, by the right prices, and together always the charge."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiconnection.catalog.bounds import cost_nano
from multiconnection.history.price_lines import Line, exact_usd, price_lines
from multiconnection.ledger.models import UsageRow
from multiconnection.usage import Usage
from tests.support.chat_world import a_model
from tests.support.usage_rows import usage_row

pytestmark = pytest.mark.virtual_time


counts = st.integers(min_value=0, max_value=10**7)


def a_row(**changes: Any) -> UsageRow:
    return replace(usage_row(), **changes)


def a_charge(usage: Usage, markup: int = 0, hold: int = 10**18, **changes: Any) -> list[Line]:
    """The lines of what the ledger charges for this usage."""
    model = a_model(**changes)
    cost = cost_nano(model, usage, markup)
    charged = min(cost, hold)
    row = a_row(usage=usage, cost=charged, overrun=cost - charged, hold=hold, markup_basis_points=markup)
    lines = price_lines(row, model)
    assert sum(Decimal(line.amount) for line in lines) == Decimal(charged).scaleb(-9)
    return lines


def kinds(lines: list[Line]) -> list[str]:
    return [line.kind for line in lines]


@given(counts, counts, counts, st.integers(min_value=0, max_value=10_000), st.integers(min_value=0, max_value=10**12))
def test_lines_always_add_up(tokens_in: int, cached: int, tokens_out: int, markup: int, hold: int) -> None:
    prices = {"input": "0.15", "cached_input": "0.075003", "output": "0.6"}
    a_charge(Usage(input=tokens_in, cached_input=cached, output=tokens_out), markup, hold, prices=prices)


def test_a_fraction_of_a_nano_dollar_is_a_line_of_its_own() -> None:
    lines = a_charge(Usage(input=1, output=1), prices={"input": "0.15", "output": "0.6"})
    assert [(line.kind, line.amount) for line in lines] == [
        ("input", "0.000000150"),
        ("output", "0.000000600"),
    ]
    lines = a_charge(Usage(input=1), prices={"input": "0.150007", "output": "0.6"})
    assert [(line.kind, line.amount) for line in lines] == [
        ("input", "0.000000150007"),
        ("rounding", "0.000000000993"),
    ]


def test_prices_are_shown_as_they_are_charged_with_the_markup() -> None:
    (line,) = a_charge(Usage(input=1_000_000), 550, prices={"input": "0.30", "output": "1"})
    assert (line.price, line.per, line.amount) == ("0.3165", "1M tokens", "0.316500000")


def test_a_kind_without_a_price_of_its_own_costs_what_its_base_costs() -> None:
    (line,) = a_charge(Usage(cache_write=10), prices={"input": "1.00", "output": "2.00"})
    assert (line.kind, line.quantity, line.price) == ("cache_write", 10, "1.00")


def test_a_long_prompt_has_the_prices_of_long_prompts() -> None:
    long = {"above_input_tokens": 100, "prices": {"input": "3.00", "output": "4.00", "cached_input": "3.00"}}
    assert [line.price for line in a_charge(Usage(input=100, output=1), long_context=long)] == ["1.00", "2.00"]
    assert [line.price for line in a_charge(Usage(input=101, output=1), long_context=long)] == ["3.00", "4.00"]


def test_reasoning_is_not_charged_twice() -> None:
    assert kinds(a_charge(Usage(output=10, reasoning=9))) == ["output"]


def test_what_is_above_the_hold_is_taken_off() -> None:
    lines = a_charge(Usage(input=10), hold=4_000)
    assert [(line.kind, line.amount) for line in lines] == [("input", "0.000010000"), ("not_charged", "-0.000006000")]


@given(counts, counts, st.integers(min_value=0, max_value=10_000), st.integers(min_value=1, max_value=10**15))
def test_what_was_not_believed_is_in_no_line(tokens_in: int, tokens_out: int, markup: int, overrun: int) -> None:
    model = a_model(prices={"input": "0.15", "output": "0.600001"})
    usage = Usage(input=tokens_in, output=tokens_out)
    cost = cost_nano(model, usage, markup)
    lines = price_lines(a_row(usage=usage, cost=cost, overrun=overrun, markup_basis_points=markup), model)
    assert sum(Decimal(line.amount) for line in lines) == Decimal(cost).scaleb(-9)
    assert {line.kind for line in lines} <= {"input", "output", "rounding"}


def test_what_was_waived_is_taken_off() -> None:
    lines = price_lines(a_row(usage=Usage(input=10), cost=0), a_model())
    assert kinds(lines) == ["input", "not_charged"]
    assert sum(line.units for line in lines) == 0


def test_a_charge_that_nobody_can_explain_any_more_is_one_line() -> None:
    (line,) = price_lines(a_row(cost=123), None)
    assert (line.kind, line.amount) == ("adjustment", "0.000000123")


def test_what_the_prices_do_not_explain_is_an_adjustment() -> None:
    lines = price_lines(a_row(usage=Usage(input=10), cost=11_000), a_model())
    assert [(line.kind, line.amount) for line in lines] == [("input", "0.000010000"), ("adjustment", "0.000001000")]


def test_images_of_a_size_without_a_price_are_not_priced() -> None:
    usage = Usage(images=1, image_size="1x1", image_quality="low")
    assert kinds(price_lines(a_row(usage=usage, cost=5), a_model())) == ["adjustment"]


@pytest.mark.parametrize(
    ("units", "text"),
    [(0, "0.000000000"), (10**16, "1.000000000"), (1, "0.0000000000000001"), (-15 * 10**6, "-0.0000000015")],
)
def test_amounts_are_exact(units: int, text: str) -> None:
    assert exact_usd(units) == text
    assert Decimal(exact_usd(units)) == Decimal(units).scaleb(-16)
