"""Amounts, rates, ids and references of recharge orders."""

import pytest

from multiconnection.money import NANO_PER_USD, MoneyError
from multiconnection.orders.models import (
    FINAL,
    OPEN,
    REFERENCE_ALPHABET,
    SOURCES,
    OrderStatus,
    amount_text,
    credit_of,
    first_order_id,
    is_order_id,
    new_order_id,
    new_reference,
    parse_amount,
    rate_text,
)
from tests.support.limit_world import SeededRng


@pytest.mark.parametrize(
    ("text", "cents"), [("100", 10000), ("100.5", 10050), ("100.05", 10005), ("0.01", 1), ("007.00", 700)]
)
def test_an_amount_is_whole_cents(text: str, cents: int) -> None:
    assert parse_amount(text) == cents
    assert parse_amount(amount_text(cents)) == cents


@pytest.mark.parametrize(
    "text",
    [
        *("", "0", "0.00", "-1", "+1", "1.", ".5", "1.001", "1e3", "1,000", " 1", "1\n", "NaN", "Infinity"),
        *("\u0661\u0662", "1" * 13, None, 1, 1.5, True, ["1"]),
    ],
)
def test_anything_else_is_no_amount(text: object) -> None:
    with pytest.raises(MoneyError):
        parse_amount(text)


def test_the_credit_is_rounded_down_to_the_nano_dollar() -> None:
    assert credit_of(10000, NANO_PER_USD) == 100 * NANO_PER_USD
    assert credit_of(10000, 740_000_000) == 74 * NANO_PER_USD
    # 0.01 units at 0.999999999 USD are 0.00999999999 USD.
    assert credit_of(1, 999_999_999) == 9_999_999


def test_a_rate_is_written_without_needless_zeros() -> None:
    assert [rate_text(rate) for rate in (NANO_PER_USD, 740_000_000, 6_700_000)] == ["1", "0.74", "0.0067"]


def test_order_ids_sort_by_time() -> None:
    rng = SeededRng(1)
    ids = [new_order_id(now_s, rng) for now_s in range(1_800_000_000, 1_800_000_100)]
    assert ids == sorted(ids)
    assert all(is_order_id(order_id) for order_id in ids)
    assert ids[49] < first_order_id(1_800_000_050) < ids[50]


@pytest.mark.parametrize(
    "text", ["", "ord_", "ord_123", "token#123456789012", "ord_1234567890123456x", "ord_123456789012345/"]
)
def test_what_is_no_order_id(text: str) -> None:
    assert not is_order_id(text)


def test_a_reference_has_nothing_that_looks_like_something_else() -> None:
    assert len(REFERENCE_ALPHABET) == 31
    assert not set("01ILO") & set(REFERENCE_ALPHABET)
    reference = new_reference(SeededRng(1))
    assert (len(reference), reference[:3]) == (9, "MC-")


def test_a_final_state_leads_nowhere() -> None:
    assert not {source for sources in SOURCES.values() for source in sources} & set(FINAL)
    assert set(SOURCES) == set(OrderStatus) == {*OPEN, OrderStatus.APPROVED, *FINAL}
