"""The official SDKs in folders of their own: openai for Python before the current major, openai for Node."""

import fcntl
import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.support.stack import ROOT
from tests.support.needs import require

TOOLS = ROOT / ".tools"
NODE = ROOT / "tests" / "e2e" / "node"
INSTALL_S = 300.0


def python_before_current() -> str:
    """The interpreter of a virtual environment with openai 2.x and nothing of ours."""
    folder, lock = TOOLS / "openai-2", ROOT / "requirements" / "openai-2.txt"
    python = folder / "bin" / "python"

    def install() -> None:
        _run([sys.executable, "-m", "venv", "--clear", str(folder)], ROOT)
        options = ["--quiet", "--disable-pip-version-check", "--require-hashes", "--requirement", str(lock)]
        _run([str(python), "-m", "pip", "install", *options], ROOT)

    _once(folder, lock, install)
    return str(python)


def node_script(package: str) -> list[str]:
    """The command that runs the scenarios with the SDK locked in tests/e2e/node/PACKAGE."""
    require("node", "npm")
    return ["node", str(node_modules(package).parent / "run.mjs")]


def node_modules(package: str) -> Path:
    """The packages locked in tests/e2e/node/PACKAGE, installed."""
    require("node", "npm")
    folder = NODE / package
    _once(folder / "node_modules", folder / "package-lock.json", lambda: _run(["npm", "ci", "--silent"], folder))
    return folder / "node_modules"


def _once(folder: Path, lock: Path, install: Callable[[], None]) -> None:
    """Install unless the folder was installed from exactly this lock file; one process at a time."""
    stamp, wanted = folder / ".installed-from", hashlib.sha256(lock.read_bytes()).hexdigest()
    with _alone(lock):
        if not stamp.exists() or stamp.read_text() != wanted:
            install()
            stamp.write_text(wanted)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    TOOLS.mkdir(exist_ok=True)
    guard = TOOLS / f"{lock.parent.name}-{lock.stem}.lock"
    with guard.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
