"""Money: one rounding, upwards, exact; texts that are amounts and texts that are not."""

from decimal import Decimal
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiconnection.money import (
    AMOUNT_MAX_NANO,
    MoneyError,
    charge_nano,
    nano_to_usd,
    require_amount,
    usd_per_million_to_pico,
    usd_to_nano,
    usd_to_pico,
)

costs = st.integers(min_value=0, max_value=10**24)
markups = st.integers(min_value=0, max_value=100_000)
amounts = st.integers(min_value=-AMOUNT_MAX_NANO, max_value=AMOUNT_MAX_NANO)


@given(costs, markups)
def test_a_charge_is_the_exact_ceiling_of_the_marked_up_cost(cost: int, markup: int) -> None:
    assert charge_nano(cost, markup) == ceil(Fraction(cost * (10_000 + markup), 10_000 * 1000))


@given(costs, costs, markups, markups)
def test_more_cost_or_more_markup_is_never_a_smaller_charge(one: int, other: int, low: int, more: int) -> None:
    assert charge_nano(one, low) <= charge_nano(one + other, low + more)


@pytest.mark.parametrize(
    ("cost_pico", "markup", "charge"),
    [(0, 0, 0), (1, 0, 1), (999, 0, 1), (1000, 0, 1), (1001, 0, 2), (1000, 1, 2), (10_000_000, 1, 10_001), (0, 500, 0)],
)
def test_charges_by_hand(cost_pico: int, markup: int, charge: int) -> None:
    assert charge_nano(cost_pico, markup) == charge


@given(amounts)
def test_an_amount_survives_its_text(amount: int) -> None:
    text = nano_to_usd(amount)
    assert usd_to_nano(text) == amount
    assert len(text.partition(".")[2]) == 9
    assert Decimal(text) * 10**9 == amount


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0.000000000"),
        (1, "0.000000001"),
        (-1, "-0.000000001"),
        (1_500_000_000, "1.500000000"),
        (-2_000_000_001, "-2.000000001"),
        (AMOUNT_MAX_NANO, "1000000000.000000000"),
    ],
)
def test_amounts_are_written_with_all_nine_places(amount: int, text: str) -> None:
    assert nano_to_usd(amount) == text


@given(st.integers(min_value=0, max_value=10**12))
def test_a_price_per_million_in_micro_dollars_is_pico_dollars_per_unit(micro: int) -> None:
    text = f"{micro // 10**6}.{micro % 10**6:06d}"
    assert usd_per_million_to_pico(text) == micro
    assert usd_to_pico(text) == micro * 10**6


def test_units_of_prices() -> None:
    assert usd_per_million_to_pico("0.15") == 150_000
    assert usd_to_pico("0.040") == 40_000_000_000
    assert usd_to_nano("12.5") == 12_500_000_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1,5",
        "NaN",
        "Infinity",
        "-Infinity",
        "1e400",
        "1000000001",
        "-1000000001",
        "0." + "1" * 39,
        "0.0000000001",
        "0x1",
        "one",
        1,
        1.5,
        True,
        None,
        Decimal(1),
        b"1",
    ],
)
def test_what_is_no_amount_is_refused_rather_than_rounded(text: object) -> None:
    with pytest.raises(MoneyError):
        usd_to_nano(text)  # type: ignore[arg-type]


def test_more_decimals_than_the_unit_has_are_refused() -> None:
    with pytest.raises(MoneyError):
        usd_per_million_to_pico("0.0000001")
    with pytest.raises(MoneyError):
        usd_to_pico("0.0000000000001")


@pytest.mark.parametrize("value", [True, False, 1.0, "1", None, Decimal(1), 10**18 + 1, -(10**18) - 1, float("nan")])
def test_only_a_real_integer_in_range_passes_the_edge(value: object) -> None:
    with pytest.raises(MoneyError):
        require_amount(value)


@given(amounts)
def test_every_amount_in_range_passes_the_edge(amount: int) -> None:
    assert require_amount(amount) == amount
