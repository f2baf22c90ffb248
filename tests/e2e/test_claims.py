"""The figures of the README hold: made by `make claims` on a stack of its own."""

from pathlib import Path

from tests.e2e.support.stack import ROOT
from tools.claims import AFFORDABLE, APPROVALS, CALLS, STREAMS, measured

README = (ROOT / "README.md").read_text()


def test_what_the_readme_claims_is_what_is_counted(tmp_path: Path) -> None:
    claims = measured(tmp_path / "local")
    assert len(claims) == 7
    assert [claim.text for claim in claims if not claim.holds] == []


def test_the_readme_has_the_figures_of_the_command() -> None:
    assert f"{CALLS} calls at once on a balance for {AFFORDABLE}" in README
    assert f"{STREAMS} of {STREAMS} streams" in README
    assert f"{APPROVALS} approvals" in README
