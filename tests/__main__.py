"""`make test`: the whole suite in one command; every step runs, then what was skipped and why, then the verdict.

`--static` stops after lint, types and import rules. With CI_NO_SKIP=1 a missing tool fails instead of skipping.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support import needs

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
SOURCES = ("layers", "functions", "local", "benchmarks", "tests", "tools")
PACKAGES = ("multiconnection", "functions", "local", "benchmarks", "tests", "tools")
# Hypothesis draws the same examples each time and gives them all the time they need; plain pytest goes on exploring.
# What was skipped is printed once, at the end of all steps.
PYTEST = (sys.executable, "-m", "pytest", "--quiet", "--hypothesis-profile=ci", "-rfE")


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    command: Sequence[str]


STATIC = (
    Step("lint", (str(BIN / "ruff"), "check", *SOURCES)),
    Step("format", (str(BIN / "ruff"), "format", "--check", *SOURCES)),
    Step("types", (str(BIN / "mypy"), *(part for package in PACKAGES for part in ("-p", package)))),
    Step("import rules", (str(BIN / "lint-imports"),)),
    Step("template", (str(BIN / "cfn-lint"), "template.yaml", "observability.yaml")),
    Step("template, as SAM reads it", (str(ROOT / ".tools/sam/bin/sam"), "validate", "--lint")),
)
WITH_SERVERS = frozenset({"adapter", "conformance", "e2e", "integration"})
ROOMS = sorted(
    str(folder.relative_to(ROOT))
    for folder in (ROOT / "tests").iterdir()
    if folder.name not in WITH_SERVERS and any(folder.glob("test_*.py"))
)
UNIT = Step("unit", (*PYTEST, "-n", "2", *ROOMS))
# Side by side: each of them waits more than it computes.
LANES = (
    (
        Step("conformance and integration", (*PYTEST, "tests/conformance", "tests/integration")),
        Step("adapter", (*PYTEST, "tests/adapter")),
    ),
    (
        Step("end to end", (*PYTEST, "tests/e2e", "--ignore", "tests/e2e/console")),
        Step("walks in the browser", (*PYTEST, "tests/e2e/console")),
    ),
)


def run(step: Step) -> bool:
    """Print its output as it comes."""
    print(f"\n=== {step.name}", flush=True)
    began = time.monotonic()
    passed = subprocess.run(step.command, cwd=ROOT, env=environment(), check=False).returncode == 0
    print(f"=== {step.name}: {'ok' if passed else 'FAILED'} ({time.monotonic() - began:.0f} s)", flush=True)
    return passed


def run_aside(step: Step) -> bool:
    """Print its output in one piece, at its end."""
    began = time.monotonic()
    done = subprocess.run(
        step.command, cwd=ROOT, env=environment(), check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    passed, said = done.returncode == 0, done.stdout.decode(errors="replace")
    verdict = f"=== {step.name}: {'ok' if passed else 'FAILED'} ({time.monotonic() - began:.0f} s)"
    print(f"\n=== {step.name}\n{said}{verdict}", flush=True)
    return passed


def failures(steps: Sequence[Step], runner: Callable[[Step], bool] = run) -> list[str]:
    return [step.name for step in steps if not runner(step)]


def lanes() -> list[str]:
    with ThreadPoolExecutor(len(LANES)) as pool:
        found = pool.map(lambda lane: failures(lane, run_aside), LANES)
        return [name for names in found for name in names]


def environment() -> dict[str, str]:
    """The user's own, with the repository's root importable and no real AWS identity in reach of a test."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return own | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "SAM_CLI_TELEMETRY": "0"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests", description=__doc__)
    parser.add_argument("--static", action="store_true", help="lint, types and import rules only")
    static = parser.parse_args().static
    with TemporaryDirectory(prefix="multiconnection-skips-") as folder:
        skips = Path(folder) / "skips"
        os.environ[needs.SKIPS_FILE] = str(skips)
        failed = failures(STATIC if static else (*STATIC, UNIT))
        if not static:
            failed += lanes()
        print("", *needs.summary(skips), sep="\n")
    print(f"{'FAILED: ' + ', '.join(failed) if failed else 'Everything passed.'}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
