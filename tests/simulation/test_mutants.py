"""A check that cannot fail is a defect: each seeded mistake must be found."""

import pytest

from .hunt import hunt
from .mutants import MUTANTS, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.mistake)
def test_the_simulation_finds(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    mutant.patch(monkeypatch)
    # when
    found = hunt()
    # then
    assert found is not None, f"nobody noticed: {mutant.mistake}"
    history, violations = found
    print(f"{mutant.mistake}: found by {history}: {violations[0]}")
    # A request that the database does not even understand is no mutant.
    assert not any(violation.startswith("rejected") for violation in violations)
