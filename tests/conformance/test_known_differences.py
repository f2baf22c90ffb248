"""The table of known differences names cases that exist; a strict xfail finds those that are no more."""

import pytest

from . import test_items, test_reads, test_transactions
from .conditions import CONDITIONS
from .difference import CONDITION, NUMBER, UPDATE, Difference
from .known_differences import KNOWN_DIFFERENCES
from .numbers import NUMBERS
from .updates import UPDATES

CASES = {
    CONDITION: {case.name.encode("unicode_escape").decode() for case in CONDITIONS},
    UPDATE: {case.name for case in UPDATES},
    NUMBER: {case.name for case in NUMBERS},
}


@pytest.mark.parametrize("known", KNOWN_DIFFERENCES, ids=lambda known: f"{known.driver}-{known.test}")
def test_a_known_difference_is_about_a_case_of_the_suite(known: Difference) -> None:
    if known.test in CASES:
        assert set(known.cases) <= CASES[known.test]
    else:
        assert any(hasattr(module, known.test) for module in (test_items, test_reads, test_transactions))
