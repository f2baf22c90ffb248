"""The real local stack as a child of the test, on a free port and with a state folder of its own."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import psutil

from local.processes import HOST, Child, free_port
from tests.e2e.support.waiting import until

ROOT = Path(__file__).parents[3]
START_S = 90.0
STOP_S = 60.0
CALL_S = 60.0
READY_LINE = "Ctrl-C stops everything"
# Neither a developer's provider keys nor his AWS identity may reach a stack under test.
PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR", "SYSTEMROOT")


class LocalStack:
    """`python -m local run`. Use as a context manager; leaving it stops the stack and checks that nothing is left."""

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None, port: int | None = None) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.environment = {
            **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
            **(settings or {}),
            "MULTICONNECTION_LOCAL_DIR": str(folder),
            "PORT": str(self.port),
        }
        self._log = folder.with_name(f"{folder.name}-{self.port}.log")
        self._child: Child | None = None
        self.http = httpx.Client(timeout=CALL_S, trust_env=False)

    def __enter__(self) -> "LocalStack":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.http.close()

    @property
    def output(self) -> str:
        """What it printed so far."""
        return self._log.read_text()

    @property
    def run(self) -> dict[str, Any]:
        """run.json as it is now."""
        found: dict[str, Any] = json.loads((self.folder / "run.json").read_text())
        return found

    @property
    def base_url(self) -> str:
        return str(self.run["base_url"])

    @property
    def demo_url(self) -> str:
        """Where the demo upstream listens, as its command line says."""
        for process in self.processes():
            found = re.search(r"local\.demo_upstream --port (\d+)", " ".join(process.cmdline()))
            if found:
                return f"http://{HOST}:{found[1]}"
        raise AssertionError("no demo upstream is running")

    def start(self) -> None:
        command = [sys.executable, "-m", "local", "run"]
        self._child = Child.start("stack", command, env=self.environment, cwd=ROOT, log_path=self._log)
        self._child.wait_ready(lambda: READY_LINE in self.output, START_S)

    def start_expecting_refusal(self) -> int:
        """The exit code of a start that gives up by itself."""
        child = Child.start(
            "stack", [sys.executable, "-m", "local", "run"], env=self.environment, cwd=ROOT, log_path=self._log
        )
        until(lambda: child.exit_code is not None, START_S, "the second stack gave up")
        assert child.exit_code is not None
        return child.exit_code

    def processes(self) -> list[psutil.Process]:
        """Its children, grandchildren included."""
        assert self._child is not None
        return list(psutil.Process(self._child.pid).children(recursive=True))

    def process(self, named: str) -> psutil.Process:
        """The child whose command line has this in it."""
        return next(process for process in self.processes() if named in " ".join(process.cmdline()))

    def stop(self) -> None:
        """SIGTERM; it must end with 0 and take every child along."""
        if self._child is None:
            return
        child, self._child = self._child, None
        children = list(psutil.Process(child.pid).children(recursive=True))
        os.kill(child.pid, signal.SIGTERM)
        until(lambda: child.exit_code is not None, STOP_S, "the stack stopped")
        left = [process.cmdline() for process in children if process.is_running()]
        assert (child.exit_code, left) == (0, []), self.output

    def cli(self, *arguments: str, exit_code: int = 0) -> Any:
        """`python -m local … --json`, parsed."""
        done = subprocess.run(
            [sys.executable, "-m", "local", *arguments, "--json"],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=CALL_S,
            check=False,
        )
        assert done.returncode == exit_code, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        return json.loads(done.stdout) if done.stdout else done.stderr

    def publish(self, *models: str) -> None:
        """Adds models that misbehave, named MODEL+BEHAVIOUR; functions know them when they read the catalog again."""
        command = [sys.executable, "-m", "tests.e2e.support.publish", *models]
        subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, timeout=CALL_S, check=True)

    def assert_books_are_right(self) -> dict[str, Any]:
        """Reconciles: no drift, no hold, every account verified; returns the totals."""
        totals: dict[str, Any] = self.cli("reconcile")["totals"]
        wanted = {"drift_nano": 0, "live_holds": 0, "stale_holds": 0, "unverified": 0, "held": "0.000000000"}
        assert {name: totals[name] for name in wanted} == wanted
        return totals

    def last_upstream_request(self) -> dict[str, Any]:
        """Body and headers of the last call that reached the demo upstream."""
        found: dict[str, Any] = self.http.get(f"{self.demo_url}/_stats").json()["last_request"]
        return found
