"""docs/security.md and docs/faults.md name tests that exist; the table of faults is made from its source."""

import ast
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.needs import require
from tools import faults

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
LINK = re.compile(r"\[([^\]]+)\]\(\.\./(tests/[^)]+\.py)\)")


def named(page: str) -> list[tuple[str, str]]:
    """(path, test) of each test that the page names."""
    return [(path, f"test_{label.replace(' ', '_')}") for label, path in LINK.findall((DOCS / page).read_text())]


def functions_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def missing(page: str) -> Iterator[tuple[str, str]]:
    for path, test in named(page):
        if not (ROOT / path).is_file() or test not in functions_of(ROOT / path):
            yield path, test


@pytest.mark.parametrize(("page", "least"), [("security.md", 55), ("faults.md", 90)])
def test_every_test_that_a_page_names_exists(page: str, least: int) -> None:
    assert len(named(page)) >= least
    assert list(missing(page)) == []


def test_the_table_of_faults_is_the_one_that_its_source_makes() -> None:
    assert (DOCS / "faults.md").read_text() == faults.page()


def test_every_item_of_the_top_ten_has_an_answer_and_a_test() -> None:
    rows = re.findall(r"^\| API(\d+) [^|]+\| ([^|]+) \| ([^|]+) \|$", (DOCS / "security.md").read_text(), re.MULTILINE)
    assert [int(number) for number, _, _ in rows] == list(range(1, 11))
    assert all(LINK.search(tests) for _, _, tests in rows)


def test_the_bill_of_materials_lists_what_is_locked(tmp_path: Path) -> None:
    if not (tool := shutil.which("cyclonedx-py", path=str(ROOT / ".tools/audit/bin"))):
        require("make .tools/audit/.installed")
    lock = ROOT / "requirements" / "layer.txt"
    bill = tmp_path / "bill.json"
    subprocess.run([str(tool), "requirements", str(lock), "--output-file", str(bill)], check=True, capture_output=True)
    components = json.loads(bill.read_text())["components"]
    locked = dict(re.findall(r"^([\w.-]+)==(\S+)", lock.read_text(), re.MULTILINE))
    assert {each["name"]: each["version"] for each in components} == locked
    assert len(locked) > 15
    assert all(hashed(each) for each in components)


def hashed(component: dict[str, list[dict[str, list[object]]]]) -> bool:
    return any(reference.get("hashes") for reference in component["externalReferences"])
