"""The load generator from its parent's side."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

import orjson

from benchmarks.load import Done, Job
from local.paths import ROOT


class LoadFailed(RuntimeError):
    """Calls failed that a benchmark needs to succeed; figures of such a run mean nothing."""


class LoadProcess:
    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def run(self, job: Job) -> Done:
        """Blocks until the job is done; raises LoadFailed when a single request of it was not answered well."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(orjson.dumps(asdict(job)) + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise LoadFailed("the load generator died")
        done = Done(**orjson.loads(line))
        if done.failures or done.completed != job.requests:
            raise LoadFailed(f"{done.completed} of {job.requests} requests to {job.base_url}: {done.failures}")
        return done


@contextmanager
def load_process() -> Iterator[LoadProcess]:
    command = [sys.executable, "-m", "benchmarks.load"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield LoadProcess(process)
        finally:
            process.terminate()
