"""The figures as a table for people and as JSON for programs."""

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any

from benchmarks.measure import Measured
from benchmarks.requests_counted import Requests


@dataclass(frozen=True, slots=True)
class Report:
    """One run. `drift_nano` is what the reconciliation of all its calls found."""

    measured: Sequence[Measured]
    gateway_requests: Requests
    floor_requests: Requests
    gateway_mb: float
    floor_mb: float
    calls: int
    drift_nano: int

    def text(self) -> str:
        return "\n".join([machine(), "", *self._cpu(), "", *self._requests(), "", *self._rest()])

    def as_json(self) -> dict[str, Any]:
        return {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine(),
            "cpu": [_figures(measured) for measured in self.measured],
            "requests_per_call": {"gateway": asdict(self.gateway_requests), "floor": asdict(self.floor_requests)},
            "resident_mb": {"gateway": round(self.gateway_mb, 1), "floor": round(self.floor_mb, 1)},
            "calls": self.calls,
            "drift_nano": self.drift_nano,
        }

    def _cpu(self) -> list[str]:
        head = f"{'CPU per request, ms':<34}{'gateway':>24}{'floor':>24}{'ratio':>8}"
        streams = (_reads(each) for each in self.measured if each.case.job.stream)
        return [
            head,
            *(_line(measured) for measured in self.measured),
            f"  reads per stream at the client, gateway and floor: {', '.join(streams)}",
        ]

    def _requests(self) -> list[str]:
        head = f"{'DynamoDB per call':<34}{'gateway':>24}{'floor':>24}"
        ours, theirs = self.gateway_requests, self.floor_requests
        rows = [
            ("writes", ours.writes, theirs.writes),
            ("reads", ours.reads, theirs.reads),
            ("bytes sent", ours.sent_bytes, theirs.sent_bytes),
            ("bytes received", ours.received_bytes, theirs.received_bytes),
        ]
        return [head, *(f"  {name:<32}{left:>24.2f}{right:>24.2f}" for name, left, right in rows)]

    def _rest(self) -> list[str]:
        return [
            f"{'Resident memory, MB':<34}{self.gateway_mb:>24.1f}{self.floor_mb:>24.1f}",
            f"Reconciliation of {self.calls} billed calls: drift {self.drift_nano} n$",
        ]


def machine() -> str:
    implementation = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{implementation}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"


def _line(measured: Measured) -> str:
    bound = measured.case.bound
    verdict = "" if bound is None else f"  (bound {bound:g})"
    if measured.over_the_bound:
        verdict = f"  OVER THE BOUND of {bound:g}"
    left, right = _spread(measured.gateway_ms), _spread(measured.floor_ms)
    return f"  {measured.case.name:<32}{left:>24}{right:>24}{measured.ratio:>8.2f}{verdict}"


def _reads(measured: Measured) -> str:
    return f"{measured.gateway_reads:.0f}/{measured.floor_reads:.0f}"


def _spread(figures: Sequence[float]) -> str:
    return f"{median(figures):.2f} ({min(figures):.2f}-{max(figures):.2f})"


def _figures(measured: Measured) -> dict[str, Any]:
    return {
        "case": measured.case.name,
        "gateway_ms": [round(figure, 3) for figure in measured.gateway_ms],
        "floor_ms": [round(figure, 3) for figure in measured.floor_ms],
        "ratios": [round(ratio, 3) for ratio in measured.ratios],
        "ratio": round(measured.ratio, 3),
        "bound": measured.case.bound,
        "over_the_bound": measured.over_the_bound,
    }
