"""How many files and functions a reader of one request meets: never more than tools/trace_calls.py allows."""

import pytest

from tools.trace_calls import FILES_MAX, FUNCTIONS_MAX, REQUESTS, Figures, summary, traced_afresh


@pytest.fixture(scope="module")
def figures() -> dict[str, Figures]:
    return traced_afresh()


def test_every_request_has_a_bound() -> None:
    assert FILES_MAX.keys() == REQUESTS.keys()
    assert FUNCTIONS_MAX.keys() <= REQUESTS.keys()


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_enters_no_more_files_and_functions_than_allowed(name: str, figures: dict[str, Figures]) -> None:
    found = figures[name]
    print(summary(name, found))
    assert len(found.files) <= FILES_MAX[name], summary(name, found)
    assert found.functions <= FUNCTIONS_MAX.get(name, found.functions), summary(name, found)


def test_the_trace_sees_the_package(figures: dict[str, Figures]) -> None:
    """An empty trace would be below every bound."""
    for name, found in figures.items():
        assert len(found.files) > 20, name
        assert found.functions > 2 * len(found.files), name
