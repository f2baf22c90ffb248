"""Packed holds: they survive, they are small, and what cannot be read is never guessed."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiconnection import ids
from multiconnection.ledger.models import PRICE_VERSION_MAX, Hold, HoldFormatError, pack, unpack
from multiconnection.money import usd_to_nano

BYTES_MAX = 60
HOLDS_MAX = 256
ITEM_BYTES_MAX = 16 * 1024
# What one choice of the dearest model can cost with its context full is below this (see test_catalog.py).
USUAL_HOLD_MAX = usd_to_nano("56")
holds = st.builds(
    Hold,
    account_id=st.just("a1"),
    hold_id=st.text(alphabet=ids.ALPHABET, min_size=12, max_size=12),
    amount=st.integers(min_value=0, max_value=usd_to_nano("1000000")),
    expires_s=st.integers(min_value=0, max_value=62**6 - 1),
    key_id=st.text(alphabet=ids.ALPHABET, min_size=8, max_size=8),
    capped=st.booleans(),
    model_code=st.text(alphabet=ids.ALPHABET, min_size=3, max_size=3),
    price_version=st.integers(min_value=0, max_value=PRICE_VERSION_MAX),
    # An account is written to a hundred million times before a birth takes a byte more.
    birth=st.integers(min_value=0, max_value=10**8 - 1),
)


def number_bytes(value: int) -> int:
    """DynamoDB: one byte for each two digits, and one more."""
    return (len(str(value)) + 1) // 2 + 1


@given(holds)
def test_a_hold_survives_packing(hold: Hold) -> None:
    assert unpack(hold.account_id, hold.hold_id, pack(hold), hold.birth) == hold


def stored_bytes(hold: Hold) -> int:
    """Names and values of h_X and b_X."""
    names = len(f"h_{hold.hold_id}") + len(f"b_{hold.hold_id}")
    return names + len(pack(hold).encode()) + number_bytes(hold.birth)


@given(holds)
def test_a_live_hold_costs_the_account_item_sixty_bytes_at_most(hold: Hold) -> None:
    usual = replace(hold, amount=hold.amount % USUAL_HOLD_MAX)
    assert stored_bytes(usual) <= BYTES_MAX
    assert HOLDS_MAX * stored_bytes(usual) <= ITEM_BYTES_MAX
    assert stored_bytes(hold) <= BYTES_MAX + 3


@given(st.text(max_size=21))
def test_a_short_value_is_no_hold(packed: str) -> None:
    with pytest.raises(HoldFormatError):
        unpack("a1", "X", packed, 1)


@given(holds, st.characters().filter(lambda char: char != "1"))
def test_a_format_of_another_release_is_never_guessed_at(hold: Hold, mark: str) -> None:
    with pytest.raises(HoldFormatError):
        unpack("a1", hold.hold_id, mark + pack(hold)[1:], 1)


def test_an_amount_that_is_no_number_is_no_hold() -> None:
    hold = Hold("a1", "x" * 12, 5, 1, "k" * 8, False, "m01", 1)
    with pytest.raises(ValueError, match="not base 62"):
        unpack("a1", hold.hold_id, pack(hold)[:-1] + "-", 1)
