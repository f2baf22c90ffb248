"""GCRA: the guarantee of a limit, and the advice of a refusal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiconnection.limits.gcra import MINUTE_NS, Demand, Rate, Shift, arrival
from multiconnection.limits.window import format_reset

NOW = 1_800_000_000 * 10**9
rates = st.builds(Rate, st.integers(1, 10**6), st.sampled_from([MINUTE_NS, 15 * MINUTE_NS, 60 * MINUTE_NS]))
gaps_ns = st.one_of(st.just(0), st.integers(0, 10**9), st.integers(0, 3 * MINUTE_NS))
asks = st.lists(st.tuples(gaps_ns, st.integers(1, 10**6)), max_size=40)
instants = st.integers(NOW - 3 * MINUTE_NS, NOW + 3 * MINUTE_NS)


def admitted(rate: Rate, asked: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """(time, units) of what GCRA lets in."""
    now, tat, entered = NOW, 0, []
    for gap, units in asked:
        now += gap
        demand = Demand(rate, units)
        if demand.fits(tat, now):
            tat = demand.shift(now).apply(tat)
            entered.append((now, units))
    return entered


@given(rates, asks)
def test_any_span_admits_at_most_the_limit_times_one_plus_the_windows_in_it(
    rate: Rate, asked: list[tuple[int, int]]
) -> None:
    """The theorem: units <= L * (1 + span / window). Each increment is cut to whole ns, which adds n * L / window."""
    entered = admitted(rate, asked)
    for first in range(len(entered)):
        units = 0
        for last in range(first, len(entered)):
            units += entered[last][1]
            span_ns, count = entered[last][0] - entered[first][0], last - first + 1
            assert units * rate.window_ns <= rate.limit * (rate.window_ns + span_ns + count)


@given(rates)
def test_a_whole_limit_fits_at_once_and_not_one_unit_more(rate: Rate) -> None:
    whole = Demand(rate, rate.limit)
    assert whole.fits(0, NOW)
    assert not Demand(rate, rate.limit + 1).fits(0, NOW)
    assert not Demand(rate, 1).fits(whole.shift(NOW).apply(0), NOW)


@given(rates, instants, st.integers(1, 10**6))
def test_the_advised_wait_is_enough_and_no_longer_than_needed(rate: Rate, tat: int, units: int) -> None:
    wait_s = rate.retry_after_s(tat, NOW, units)
    if units > rate.limit:
        assert wait_s == rate.window_ns / 10**9
        return
    wait_ns = round(wait_s * 10**9)
    demand = Demand(rate, units)
    assert demand.fits(tat, NOW + wait_ns + 1)
    assert wait_ns == 0 or not demand.fits(tat, NOW + wait_ns - 2)


@given(rates, instants)
def test_what_is_said_to_remain_fits_and_one_more_does_not(rate: Rate, tat: int) -> None:
    remaining = rate.remaining(tat, NOW)
    assert 0 <= remaining <= rate.limit
    assert Demand(rate, remaining).fits(tat, NOW)
    # Cutting an increment to whole ns can admit one unit more than is said, never less.
    assert not Demand(rate, remaining + 2).fits(tat, NOW)


@given(rates, instants)
def test_after_the_reset_the_whole_limit_is_free(rate: Rate, tat: int) -> None:
    later = NOW + round(rate.reset_s(tat, NOW) * 10**9) + 1
    assert rate.remaining(tat, later) == rate.limit


increments = st.integers(-2 * MINUTE_NS, 2 * MINUTE_NS)


@given(st.lists(st.tuples(gaps_ns, increments), max_size=12), instants)
def test_shifts_compose_into_one_that_does_the_same(steps: list[tuple[int, int]], tat: int) -> None:
    now, together, apart = NOW, Shift(), tat
    for gap, increment in steps:
        now += gap
        together = together.then(arrival(now, increment))
        apart = max(apart, now) + increment if increment >= 0 else max(apart + increment, now)
    assert together.apply(tat) == apart


@given(instants, st.integers(0, 2 * MINUTE_NS))
def test_giving_back_never_leaves_less_than_an_empty_queue(tat: int, increment: int) -> None:
    assert arrival(NOW, -increment).apply(tat) == max(tat - increment, NOW)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0ms"), (0.012, "12ms"), (1, "1s"), (1.5, "1.5s"), (20.25, "20.25s"), (60, "1m0s"), (366.5, "6m6.5s")],
)
def test_durations_are_written_as_openai_writes_them(seconds: float, text: str) -> None:
    assert format_reset(seconds) == text
