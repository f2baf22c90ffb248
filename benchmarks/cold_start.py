"""Import-time CPU of each function's entry, beside the import of FastAPI, aiohttp and uvicorn alone, in one run.

Processes, not threads of this one: an import is only cold once. Rounds go around all entries, so that a machine that
slows down is not held against one of them. Bytecode is compiled beforehand, as it is in the built layers.
"""

import argparse
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 9
DATA_PLANE_BOUND = 1.5
FLOOR = "FastAPI + aiohttp + uvicorn"
# The adapter starts uvicorn with these; the runtime of the other functions imports their entry and nothing else.
ENTRIES = {
    FLOOR: "import fastapi, aiohttp, uvicorn, uvloop, httptools",
    "chat": "import uvicorn, uvloop, httptools, functions.chat.app",
    "models": "import functions.models.app",
    "account": "import functions.account.app",
    "sweeper": "import functions.sweeper.app",
    "reconciler": "import functions.reconciler.app",
}
DATA_PLANE = frozenset({"chat"})


@dataclass(slots=True)
class ColdStart:
    """CPU milliseconds (user and system), the bare interpreter's start taken off; one figure a round."""

    name: str
    milliseconds: list[float] = field(default_factory=list)

    @property
    def median_ms(self) -> float:
        return median(self.milliseconds)

    def ratio(self, floor: "ColdStart") -> float:
        """Round by round, as the machine was at that time."""
        return median(ours / theirs for ours, theirs in zip(self.milliseconds, floor.milliseconds, strict=True))


def measure(rounds: int) -> list[ColdStart]:
    """The floor first. Raises CalledProcessError when an entry cannot be imported."""
    found = [ColdStart(name) for name in ENTRIES]
    for code in ENTRIES.values():
        cpu_ms(code)
    for _ in range(rounds):
        bare_ms = cpu_ms("pass")
        for entry in found:
            entry.milliseconds.append(cpu_ms(ENTRIES[entry.name]) - bare_ms)
    return found


def cpu_ms(code: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=_environment(), check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def text(measured: Sequence[ColdStart]) -> str:
    floor = measured[0]
    head = f"{'Import, ms of CPU':<34}{'median (min-max)':>24}{'ratio':>8}"
    return "\n".join([head, *(_line(entry, floor) for entry in measured)])


def over_the_bound(entry: ColdStart, floor: ColdStart) -> bool:
    return entry.name in DATA_PLANE and entry.ratio(floor) > DATA_PLANE_BOUND


def _line(entry: ColdStart, floor: ColdStart) -> str:
    spread = f"{entry.median_ms:.0f} ({min(entry.milliseconds):.0f}-{max(entry.milliseconds):.0f})"
    verdict = f"  (bound {DATA_PLANE_BOUND:g})" if entry.name in DATA_PLANE else ""
    if over_the_bound(entry, floor):
        verdict = f"  OVER THE BOUND of {DATA_PLANE_BOUND:g}"
    return f"  {entry.name:<32}{spread:>24}{entry.ratio(floor):>8.2f}{verdict}"


def _environment() -> dict[str, str]:
    """With bytecode written and read, whatever the caller's environment says."""
    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return own | {"PYTHONPATH": str(ROOT)}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cold_start", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    print(text(measure(parser.parse_args().rounds)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
