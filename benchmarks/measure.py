"""Rounds side by side: CPU time of each server's process around the same load, A B, B A, A B …"""

import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

import psutil

from benchmarks.load import Job
from benchmarks.load_process import LoadProcess
from benchmarks.world import Server


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of request. `bound`: how many times the floor the gateway may cost; None where nothing was promised.

    `rounds_max` keeps requests short that are heavy on everything around them.
    """

    name: str
    job: Job
    bound: float | None
    rounds_max: int | None = None


@dataclass(slots=True)
class Measured:
    """CPU milliseconds per request, one figure a round, the two servers' rounds paired by index."""

    case: Case
    gateway_ms: list[float] = field(default_factory=list)
    floor_ms: list[float] = field(default_factory=list)
    gateway_reads: float = 0.0
    floor_reads: float = 0.0

    @property
    def ratios(self) -> list[float]:
        return [ours / theirs for ours, theirs in zip(self.gateway_ms, self.floor_ms, strict=True)]

    @property
    def ratio(self) -> float:
        return median(self.ratios)

    @property
    def over_the_bound(self) -> bool:
        return self.case.bound is not None and self.ratio > self.case.bound


def measure(case: Case, gateway: Server, floor: Server, api_key: str, load: LoadProcess, rounds: int) -> Measured:
    """Raises LoadFailed."""
    measured = Measured(case)
    for server in _alternating(gateway, floor, min(rounds, case.rounds_max or rounds)):
        job = replace(case.job, base_url=server.base_url, api_key=api_key)
        before = cpu_s(server.pid)
        done = load.run(job)
        milliseconds = (cpu_s(server.pid) - before) * 1000 / job.requests
        if server is gateway:
            measured.gateway_ms.append(milliseconds)
            measured.gateway_reads = done.reads / job.requests
        else:
            measured.floor_ms.append(milliseconds)
            measured.floor_reads = done.reads / job.requests
    return measured


def cpu_s(pid: int) -> float:
    """User and system time of one process, all its threads."""
    if platform.system() == "Linux":
        # The process's CPU clock (clock_getcpuclockid(3)): nanoseconds, where /proc counts in steps of 10 ms.
        return time.clock_gettime(~pid << 3 | 2)
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def resident_mb(pid: int) -> float:
    return float(psutil.Process(pid).memory_info().rss) / 2**20


def _alternating(gateway: Server, floor: Server, rounds: int) -> Iterator[Server]:
    """Neither is always first: a machine that slows down is not held against one of them."""
    for number in range(rounds):
        pair: Sequence[Server] = (gateway, floor) if number % 2 == 0 else (floor, gateway)
        yield from pair
