"""Writes docs/faults.md, the table of faults, from tests/faults.toml: `python -m tools.faults`."""

import sys
import tomllib
from typing import Any

from local.paths import ROOT

SOURCE = ROOT / "tests" / "faults.toml"
PAGE = ROOT / "docs" / "faults.md"
_HEAD = """# Faults

Each fault that the ledger has to survive, its outcome, and the tests that cause it. After every one of them the
invariants of [ledger.md](ledger.md) hold and a reconciliation finds no drift. `python -m tools.faults` writes this page
from `tests/faults.toml`. A test compares the two, and fails when a test that is named here does not exist.
"""


def groups() -> list[dict[str, Any]]:
    """Each group is `{"title", "rows": [{"fault", "outcome", "tests": ["path::name without test_"]}]}`."""
    found: list[dict[str, Any]] = tomllib.loads(SOURCE.read_text(encoding="utf-8"))["group"]
    return found


def page() -> str:
    parts = [_HEAD]
    for group in groups():
        parts += [f"\n## {group['title']}\n", "| fault | outcome | tests |", "|---|---|---|"]
        parts += [_row(row["fault"], row["outcome"], row["tests"]) for row in group["rows"]]
    return "\n".join(parts) + "\n"


def _row(fault: str, outcome: str, tests: list[str]) -> str:
    return f"| {fault} | {outcome} | {'<br>'.join(map(_link, tests))} |"


def _link(test: str) -> str:
    path, _, name = test.partition("::")
    return f"[{name.replace('_', ' ')}](../tests/{path})"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE.relative_to(ROOT)}: {sum(len(group['rows']) for group in groups())} faults\n")
