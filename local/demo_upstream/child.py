"""Runs the demo upstream as a child process, for tests and benchmarks."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

READY = "demo upstream ready on "
STOP_TIMEOUT_S = 10
_ROOT = Path(__file__).parents[2]


@contextmanager
def demo_upstream(port: int = 0) -> Iterator[str]:
    """Yields the base URL (it ends in /v1) once the child listens; ends the child afterwards."""
    with demo_process(port) as (base_url, _process):
        yield base_url


@contextmanager
def demo_process(port: int = 0) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The same with the process, for those who measure or end it themselves."""
    command = [sys.executable, "-m", "local.demo_upstream", "--port", str(port)]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield _base_url(process), process
        finally:
            process.terminate()
            process.wait(STOP_TIMEOUT_S)


def _base_url(process: subprocess.Popen[str]) -> str:
    line = process.stdout.readline() if process.stdout is not None else ""
    if not line.startswith(READY):
        raise RuntimeError(f"the demo upstream did not start: {line!r}")
    return line.removeprefix(READY).strip()
