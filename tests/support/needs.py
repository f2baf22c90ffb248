"""Tools that a part of the suite needs: without them it is skipped, or fails where nothing may be skipped.

The reasons of all skips are collected for `python -m tests`, which prints one line for each, with how to get the tool.
"""

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

import pytest

# A file that each run of pytest adds its skips to, set by `python -m tests`.
SKIPS_FILE = "SKIPS_FILE"
# Debian's packages of the commands that are not named after them.
PACKAGES = {"java": "default-jdk-headless", "javac": "default-jdk-headless", "mvn": "maven", "node": "nodejs"}


def cannot_run(why: str) -> NoReturn:
    """`why` names what is missing and how to get it."""
    if os.environ.get("CI_NO_SKIP") == "1":
        pytest.fail(why)
    pytest.skip(why)


def require(*tools: str) -> None:
    """Commands on the PATH."""
    if why := without(*tools):
        cannot_run(why)


def without(*tools: str) -> str | None:
    """Which of these commands are missing and how to get them, or None when all are there."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if not missing:
        return None
    packages = dict.fromkeys(PACKAGES.get(tool, tool) for tool in missing)
    return f"{', '.join(missing)} missing: apt-get install {' '.join(packages)}"


def record(reasons: Iterable[str]) -> None:
    """Adds the skips of this run to the file that `python -m tests` reads, if it wants them.

    Workers of pytest-xdist leave it to their controller, which knows all reports.
    """
    path = os.environ.get(SKIPS_FILE)
    if path and "PYTEST_XDIST_WORKER" not in os.environ:
        with Path(path).open("a") as file:
            file.writelines(f"{json.dumps(reason)}\n" for reason in reasons)


def summary(file: Path) -> list[str]:
    """One line for each reason, with the number of tests that it kept from running."""
    lines = file.read_text().splitlines() if file.exists() else []
    counted = Counter(str(json.loads(line)) for line in lines)
    return [f"{count} {'test' if count == 1 else 'tests'} skipped: {reason}" for reason, count in counted.most_common()]
