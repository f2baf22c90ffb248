"""The files that a contributor meets first are there and say what is so."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.test_docs import DOCS, ROOT
from tests.support import needs

WORKFLOWS = ROOT / ".github" / "workflows"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())


def workflow(name: str) -> dict[str, Any]:
    """Its triggers under `on`, which YAML reads as true."""
    found: dict[Any, Any] = yaml.safe_load((WORKFLOWS / name).read_text())
    return {"on" if key is True else key: value for key, value in found.items()}


def test_the_licence_is_the_one_that_the_package_names() -> None:
    assert PROJECT["project"]["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text()


def test_the_suite_runs_on_every_change_as_continuous_integration_does() -> None:
    suite = workflow("suite.yml")
    assert {"push", "pull_request"} == suite["on"].keys()
    assert suite["permissions"] == {"contents": "read"}
    [job] = suite["jobs"].values()
    assert job["steps"][-1]["run"] == "bash .ci/run"
    [python] = [step["with"] for step in job["steps"] if "setup-python" in step.get("uses", "")]
    oldest = PROJECT["project"]["requires-python"].removeprefix(">=")
    assert python["python-version"].split()[-1] == oldest


def test_pins_are_audited_when_they_change_and_every_week() -> None:
    audit = workflow("audit.yml")
    assert audit["on"].keys() == {"push", "pull_request", "schedule"}
    assert audit["permissions"] == {"contents": "read"}
    assert "make audit" in [step.get("run") for step in audit["jobs"]["audit"]["steps"]]


def test_a_deployment_is_started_by_hand_and_stops_without_a_role() -> None:
    deploy = workflow("deploy.yml")
    assert deploy["on"].keys() == {"workflow_dispatch"}
    assert deploy["permissions"] == {"contents": "read", "id-token": "write"}
    first, *others = deploy["jobs"]["deploy"]["steps"]
    assert "vars.AWS_ROLE == ''" in first["if"]
    assert "exit 1" in first["run"]
    assert others[-1]["run"] == "make deploy"


def test_every_hook_runs_a_tool_of_the_suite() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    suite = (ROOT / "tests" / "__main__.py").read_text()
    for hook in hooks:
        tool = hook["entry"].split()[0]
        assert tool.startswith(".venv/bin/")
        assert f'BIN / "{tool.removeprefix(".venv/bin/")}"' in suite


def test_every_issue_template_has_a_name_and_a_purpose() -> None:
    templates = list((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.md"))
    assert len(templates) >= 2
    for template in templates:
        head = yaml.safe_load(template.read_text().split("---")[1])
        assert head["name"]
        assert head["about"]


def test_every_folder_of_tests_that_contributing_names_is_there() -> None:
    named = re.findall(r"`(tests/\w+)/", (ROOT / "CONTRIBUTING.md").read_text())
    assert len(named) >= 6
    assert [name for name in named if not (ROOT / name).is_dir()] == []


def test_no_page_says_at_length_what_another_says() -> None:
    """Sentences of more than twelve words stand on one page only; decisions are history."""
    pages = [*DOCS.glob("*.md"), *ROOT.glob("*.md")]
    seen: dict[str, str] = {}
    twice = []
    for page in pages:
        if page.name == "decisions.md":
            continue
        for sentence in set(sentences(page)):
            if sentence in seen:
                twice.append((seen[sentence], page.name, sentence))
            seen[sentence] = page.name
    assert twice == []


def sentences(page: Path) -> list[str]:
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    found = re.split(r"(?<=[.:;|])\s|\n\n|\n- |\n\d+\. ", prose)
    return [" ".join(each.split()) for each in found if len(each.split()) > 12]


def test_what_a_skipped_part_needs_is_said_with_the_way_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    why = needs.without("node", "npm", "mvn")
    assert why == "node, npm, mvn missing: apt-get install nodejs npm maven"
    monkeypatch.setenv(needs.SKIPS_FILE, str(tmp_path / "skips"))
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    needs.record([why, why])
    needs.record(["cargo missing"])
    assert needs.summary(tmp_path / "skips") == [f"2 tests skipped: {why}", "1 test skipped: cargo missing"]
