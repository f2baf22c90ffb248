"""Bounds: never below what a call can cost, and exact about what a balance affords."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiconnection.catalog.bounds import (
    MESSAGE_OVERHEAD_TOKENS,
    CostBound,
    chat_cost_bound,
    chat_input_tokens_max,
    text_tokens_max,
)
from multiconnection.catalog.models import Prices

prices = st.integers(min_value=0, max_value=10**9)
bounds = st.builds(
    CostBound,
    fixed_pico=st.integers(min_value=0, max_value=10**15),
    per_token_pico=st.integers(min_value=1, max_value=10**9),
    output_tokens=st.integers(min_value=0, max_value=10**6),
    markup_basis_points=st.integers(min_value=0, max_value=50_000),
)
balances = st.integers(min_value=0, max_value=10**13)
SWELLS = "\ufdfa"


@given(bounds, balances)
def test_affordable_tokens_is_the_exact_maximum(bound: CostBound, available: int) -> None:
    tokens = bound.affordable_tokens(available)
    if tokens >= 0:
        assert bound.with_output(tokens).hold_nano <= available
    assert bound.with_output(tokens + 1).hold_nano > available


@given(bounds)
def test_exactly_the_hold_affords_the_output_and_one_nano_dollar_less_does_not(bound: CostBound) -> None:
    assert bound.affordable_tokens(bound.hold_nano) >= bound.output_tokens
    if bound.hold_nano:
        assert bound.affordable_tokens(bound.hold_nano - 1) < bound.output_tokens


@given(st.integers(min_value=1, max_value=10**6), st.integers(min_value=0, max_value=500), balances)
def test_a_free_output_is_afforded_as_soon_as_the_input_is(fixed: int, markup: int, available: int) -> None:
    bound = CostBound(fixed, 0, 100, markup)
    assert bound.affordable_tokens(available) == (100 if bound.hold_nano <= available else -1)


def test_minus_one_says_that_the_input_alone_is_too_dear() -> None:
    bound = CostBound(fixed_pico=10_001, per_token_pico=1, output_tokens=5)
    assert (bound.affordable_tokens(10), bound.affordable_tokens(11)) == (-1, 999)


@given(st.text())
def test_a_text_has_no_more_tokens_than_bytes_before_or_after_nfkc(text: str) -> None:
    bound = text_tokens_max(text.encode("utf-8", "surrogatepass"))
    assert bound >= len(text.encode("utf-8", "surrogatepass"))
    if not any("\ud800" <= char <= "\udfff" for char in text):
        assert bound >= len(unicodedata.normalize("NFKC", text).encode())


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        pytest.param("", 0, id="nothing"),
        pytest.param("abc", 3, id="ASCII"),
        pytest.param("\x00", 1, id="NUL"),
        pytest.param(SWELLS, 33, id="one that swells"),
        pytest.param(SWELLS * 10_000, 330_000, id="many that swell"),
        pytest.param("\U0001f600", 4, id="astral"),
        pytest.param("\u00e9", 2, id="composed"),
        pytest.param("e\u0301", 3, id="decomposed"),
    ],
)
def test_text_bounds_by_hand(text: str, tokens: int) -> None:
    assert text_tokens_max(text.encode()) == tokens


def test_bytes_that_are_no_text_are_still_bounded() -> None:
    assert text_tokens_max(b"\xff\xfe") >= 2


def test_each_message_and_each_image_adds_its_part_up_to_the_context_window() -> None:
    text = text_tokens_max(b"x" * 100)
    bound = chat_input_tokens_max(text, 7, messages=2, images=3, image_tokens_max=1000, context_window=10**6)
    assert bound == 107 + 3 * MESSAGE_OVERHEAD_TOKENS + 3000
    assert chat_input_tokens_max(text, 0, 2, 3, 1000, context_window=500) == 500
    assert chat_input_tokens_max(text, 0, 0, 0, 0, context_window=0) == 100 + MESSAGE_OVERHEAD_TOKENS


@given(
    st.dictionaries(st.sampled_from(["input", "cached_input", "cache_write", "input_audio", "output"]), prices),
    st.integers(min_value=0, max_value=10**6),
    st.integers(min_value=0, max_value=10**6),
    st.integers(min_value=1, max_value=128),
)
def test_the_hold_covers_every_kind_of_token_at_its_dearest(
    units: dict[str, int], prompt: int, output: int, choices: int
) -> None:
    bound = chat_cost_bound(Prices(units, {}), prompt, output, choices, 0)
    dearest_input = max((price for kind, price in units.items() if kind != "output"), default=0)
    assert bound.fixed_pico == prompt * dearest_input
    assert bound.per_token_pico == choices * units.get("output", 0)
    assert bound.hold_nano * 1000 >= prompt * dearest_input + output * choices * units.get("output", 0)
