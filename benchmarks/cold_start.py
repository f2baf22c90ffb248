"""Import-time CPU of each function's entry, beside the import of FastAPI, aiohttp and uvicorn alone, in one run.

Processes, not threads of this one: an import is only cold once. Rounds go around all entries, so that a machine that
slows down is not held against one of them. What is imported is what `sam build` makes for this machine, with the
deployed Python and nothing but the layers in reach; where SAM or that Python is missing, the source tree.
"""

import argparse
import os
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tools.packaging.bytecode import interpreter_for
from tools.packaging.sam import SAM, sam_build
from tools.packaging.target import BuildError, for_this_machine

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 7
DATA_PLANE_BOUND = 1.5
FLOOR = "FastAPI + aiohttp + uvicorn"
BUILD_DIR = ROOT / ".aws-sam" / "bench"
LAYERS = ("MultiConnectionLayer", "DependenciesLayer")
WORKERS = ("sweeper", "fallback", "recharge", "reconciler")
FUNCTIONS = ("chat", "audio", "images", "embeddings", "uploads", "models", "account", *WORKERS)
SERVER = "uvicorn, uvloop, httptools"
DATA_PLANE = frozenset({"chat", "audio", "images", "embeddings"})


@dataclass(frozen=True, slots=True)
class Code:
    """A source of entry files and the command that imports one: an interpreter, and folders by function."""

    what: str
    python: tuple[str, ...]
    paths: Mapping[str, tuple[Path, ...]]
    module: str

    def imports(self, name: str) -> str:
        """The adapter starts uvicorn beside the app; the other functions' runtime imports their entry only."""
        if name == FLOOR:
            return f"import fastapi, aiohttp, {SERVER}"
        entry = self.module.format(name)
        return f"import {SERVER}, {entry}" if name in DATA_PLANE else f"import {entry}"


def from_source(why: str) -> Code:
    paths = dict.fromkeys((FLOOR, *FUNCTIONS), (ROOT,))
    return Code(f"the source tree ({why})", (sys.executable,), paths, "functions.{}.app")


def code() -> Code:
    """The built artefact where one can be made."""
    target = for_this_machine()
    interpreter = interpreter_for(target, os.environ)
    if not SAM.exists() or interpreter is None:
        return from_source(f"SAM or Python {target.python} is missing")
    try:
        sam_build(target, BUILD_DIR, quiet=True)
    except BuildError as exc:
        return from_source(f"the build failed: {exc}")
    layers = tuple(BUILD_DIR / layer / "python" for layer in LAYERS)
    paths = {name: (BUILD_DIR / f"{name.capitalize()}Function", *layers) for name in FUNCTIONS}
    return Code(
        f"the built artefact, Python {target.python}", (str(interpreter), "-S"), {FLOOR: layers, **paths}, "app"
    )


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


def measure(imported: Code, rounds: int) -> list[ColdStart]:
    """The floor first. Raises CalledProcessError when an entry cannot be imported."""
    found = [ColdStart(name) for name in (FLOOR, *FUNCTIONS)]
    for entry in found:
        cpu_ms(imported, entry.name, imported.imports(entry.name))
    for _ in range(rounds):
        bare_ms = cpu_ms(imported, FLOOR, "pass")
        for entry in found:
            entry.milliseconds.append(cpu_ms(imported, entry.name, imported.imports(entry.name)) - bare_ms)
    return found


def cpu_ms(imported: Code, name: str, statement: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    paths = os.pathsep.join(str(path) for path in imported.paths[name])
    subprocess.run([*imported.python, "-c", statement], cwd=ROOT, env=_environment(paths), check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def text(what: str, measured: Sequence[ColdStart]) -> str:
    floor = measured[0]
    head = f"{'Import, ms of CPU':<34}{'median (min-max)':>24}{'ratio':>8}"
    return "\n".join([f"Cold start: {what}", head, *(_line(entry, floor) for entry in measured)])


def over_the_bound(entry: ColdStart, floor: ColdStart) -> bool:
    return entry.name in DATA_PLANE and entry.ratio(floor) > DATA_PLANE_BOUND


def _line(entry: ColdStart, floor: ColdStart) -> str:
    spread = f"{entry.median_ms:.0f} ({min(entry.milliseconds):.0f}-{max(entry.milliseconds):.0f})"
    verdict = f"  (bound {DATA_PLANE_BOUND:g})" if entry.name in DATA_PLANE else ""
    if over_the_bound(entry, floor):
        verdict = f"  OVER THE BOUND of {DATA_PLANE_BOUND:g}"
    return f"  {entry.name:<32}{spread:>24}{entry.ratio(floor):>8.2f}{verdict}"


def _environment(paths: str) -> dict[str, str]:
    """With bytecode written and read, whatever the caller's environment says."""
    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return own | {"PYTHONPATH": paths}


def report(rounds: int = ROUNDS) -> str:
    imported = code()
    return text(imported.what, measure(imported, rounds))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cold_start", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    print(report(parser.parse_args().rounds), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
