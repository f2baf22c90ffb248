"""Why a call was charged: one sentence for each way to end and each way to know the usage."""

from dataclasses import replace
from itertools import product

import pytest

from multiconnection.history.price_lines import why
from multiconnection.usage import Ended, UsageSource
from tests.support.usage_rows import usage_row

pytestmark = pytest.mark.virtual_time


CASES = tuple(product(Ended, UsageSource))


@pytest.mark.parametrize(("ended", "source"), CASES)
@pytest.mark.parametrize("cost", [0, 123])
def test_every_ending_and_source_is_one_sentence(ended: Ended, source: UsageSource, cost: int) -> None:
    sentence = why(replace(usage_row(), ended=ended, usage_source=source, cost=cost))
    assert sentence[0].isupper()
    assert sentence.endswith(".")
    assert sentence.count(". ") == 0
    assert ("nothing" in sentence) == (cost == 0)


@pytest.mark.parametrize("cost", [0, 123])
def test_no_two_cases_have_the_same_sentence(cost: int) -> None:
    rows = [replace(usage_row(), ended=ended, usage_source=source, cost=cost) for ended, source in CASES]
    assert len({why(row) for row in rows}) == len(CASES)


def test_what_was_not_believed_is_said_to_be_free() -> None:
    row = replace(usage_row(), usage_source=UsageSource.ESTIMATED, cost=5, hold=9, overrun=1)
    assert "what the provider reported beyond that is not charged to you" in why(row)


def test_what_was_above_the_hold_is_said_to_be_free() -> None:
    assert "not charged to you" in why(replace(usage_row(), overrun=1))
    assert "not charged to you" not in why(usage_row())
