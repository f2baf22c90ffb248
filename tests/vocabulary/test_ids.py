"""Identifiers sort by time, do not collide, and are recognised only whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiconnection import ids
from multiconnection.ids import hold_id_of, new_hold_id, new_short_id, request_id_of
from tests.support.limit_world import SeededRng

times = st.integers(min_value=0, max_value=62**6 - 1)


@given(times, times, st.integers())
def test_hold_ids_sort_by_second(one: int, other: int, seed: int) -> None:
    rng = SeededRng(seed)
    first, second = new_hold_id(one, rng), new_hold_id(other, rng)
    assert len(first) == len(second) == 12
    if one != other:
        assert (first < second) == (one < other)
    assert ids.decode(first[:6]) == one


@given(times, st.integers())
def test_a_request_id_leads_back_to_its_row(now_s: int, seed: int) -> None:
    hold_id = new_hold_id(now_s, SeededRng(seed))
    assert hold_id_of(request_id_of(hold_id)) == hold_id


@pytest.mark.parametrize(
    "text",
    ["", "req_", "req_12345678901", "req_1234567890123", "REQ_123456789012", "req_12345678901\n", "req_12345678901é"],
)
def test_what_is_no_request_id_of_ours_is_none(text: str) -> None:
    assert hold_id_of(text) is None


@given(st.text(max_size=20))
def test_whatever_is_asked_for_a_row_id_is_twelve_digits_of_base_62(text: str) -> None:
    hold_id = hold_id_of(text)
    assert hold_id is None or (len(hold_id) == 12 and ids.is_base62(hold_id))


def test_short_ids_have_eight_characters_and_do_not_repeat() -> None:
    rng = SeededRng(1)
    found = {new_short_id(rng) for _ in range(10_000)}
    assert len(found) == 10_000
    assert {len(short_id) for short_id in found} == {8}


@given(st.integers(min_value=0, max_value=10**30), st.integers(min_value=1, max_value=20))
def test_base_62_survives_and_sorts(number: int, width: int) -> None:
    text = ids.encode(number, width)
    assert ids.decode(text) == number
    assert len(text) >= width
    assert ids.encode(number, 20) < ids.encode(number + 1, 20)


def test_base_62_refuses_what_it_cannot_hold() -> None:
    with pytest.raises(ValueError, match="negative"):
        ids.encode(-1)
    with pytest.raises(ValueError, match="not base 62"):
        ids.decode("a b")
    assert not ids.is_base62("")
