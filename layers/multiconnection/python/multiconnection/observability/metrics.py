"""Metrics in CloudWatch's embedded metric format: a log line that says which of its members are metrics.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
A provider of Powertools' metrics writes them. Powertools' own puts all metrics of a line under the same dimensions, and
takes nine times the CPU for the line of a call (docs/benchmarks.md).
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.metrics.provider import BaseProvider

from multiconnection.context import RequestContext

from .logging import Write, correlation, encoded, to_stderr


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Metrics published under the same sets of dimensions. `units` maps a metric's name to CloudWatch's unit.

    CloudWatch bills each value of a dimension as a metric of its own, so no dimension may be open-ended.
    """

    dimensions: tuple[tuple[str, ...], ...]
    units: Mapping[str, str]


class Emf(BaseProvider):
    """Write lines with metrics, independently of the log level: a provider for Powertools' `log_metrics`."""

    def __init__(self, namespace: str, write: Write = to_stderr) -> None:
        self._namespace = namespace
        self._write = write
        self._directives: dict[tuple[Group, ...], list[dict[str, object]]] = {}
        self._pending: list[Mapping[str, object]] = []

    def put(self, message: str, groups: tuple[Group, ...], members: Mapping[str, object], level: str = "INFO") -> None:
        """Write one line at once. `members` has a value for every metric and every dimension of `groups`."""
        self._write(encoded(self.serialize_metric_set(message, groups, members, level)))

    def line(self, message: str, members: Mapping[str, object], level: str = "INFO") -> None:
        """Write one line without metrics."""
        self.put(message, (), members, level)

    def add_metric(self, message: str, groups: tuple[Group, ...], members: Mapping[str, object]) -> None:
        """Keep one line until the invocation ends."""
        self._pending.append(self.serialize_metric_set(message, groups, members))

    def add_cold_start_metric(self, context: Any) -> None:
        """Count the first invocation of a process, by the name of its function."""
        self.add_metric("cold_start", (COLD_STARTS,), {"function_name": context.function_name, "ColdStart": 1})

    def serialize_metric_set(
        self, message: str, groups: tuple[Group, ...], members: Mapping[str, object], level: str = "INFO"
    ) -> dict[str, object]:
        now = time.time()
        directives = self._directives.get(groups)
        if directives is None:
            directives = self._directives[groups] = [self._directive(group) for group in groups]
        metadata = {"_aws": {"Timestamp": int(now * 1000), "CloudWatchMetrics": directives}} if groups else {}
        line = {
            "level": level,
            "timestamp": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds"),
            "message": message,
            **correlation(),
            **members,
        }
        return {**line, **metadata}

    def flush_metrics(self, raise_on_empty_metrics: bool = False) -> None:
        """Write what was kept. An invocation without metrics is no error."""
        for line in self._pending:
            self._write(encoded(line))
        self.clear_metrics()

    def clear_metrics(self) -> None:
        self._pending.clear()

    def _directive(self, group: Group) -> dict[str, object]:
        return {
            "Namespace": self._namespace,
            "Dimensions": [list(names) for names in group.dimensions],
            "Metrics": [{"Name": name, "Unit": unit} for name, unit in group.units.items()],
        }


COLD_STARTS = Group((("function_name",),), {"ColdStart": "Count"})
CALLS = Group(((), ("route",)), {"Calls": "Count"})
FIRST_BYTE = Group((("route",),), {"TimeToFirstByte": "Milliseconds"})
ERRORS = Group(((), ("code",)), {"Errors": "Count"})
BILLED = Group(((),), {"TokensIn": "Count", "TokensOut": "Count", "CostUsd": "None"})
ANSWERED = Group(((), ("provider",)), {"UpstreamAnswers": "Count"})
LATENCY = Group((("provider",),), {"UpstreamLatency": "Milliseconds"})
# Written by a metric filter of the template over the lines of this name: a call may fail at several providers, and
# one line of metrics has room for one provider.
UPSTREAM_FAILED = "upstream_failed"


class RequestMetrics:
    """One per process. The correlation adds request and account ids to every line."""

    def __init__(self, emf: Emf) -> None:
        self._emf = emf

    def call(self, context: RequestContext) -> None:
        """One line of metrics a call, and one warning for each time that a provider failed it."""
        if context.attempts is not None:
            for failure in context.attempts.failures:
                members = {"provider": failure.provider, "code": failure.code, "latency_ms": failure.latency_ms}
                self._emf.line(UPSTREAM_FAILED, members, "WARNING")
        groups: tuple[Group, ...] = (CALLS,)
        members = {"method": context.method, "route": context.route or "unknown", "status": context.status, "Calls": 1}
        if context.first_byte_ms is not None:
            groups += (FIRST_BYTE,)
            members["TimeToFirstByte"] = context.first_byte_ms
        if code := context.code:
            groups += (ERRORS,)
            members |= {"code": code, "Errors": 1}
        if context.charged is not None:
            groups += (BILLED,)
            members |= context.charged
        if context.attempts is not None and context.attempts.answered_ms is not None:
            groups += (ANSWERED, LATENCY)
            members |= {"UpstreamAnswers": 1, "UpstreamLatency": context.attempts.answered_ms}
            members["provider"] = context.attempts.provider
        self._emf.put("call", groups, members)


# Money may be wrong or lost, or an account in the wrong hands: an operator has to look now.
# Every other alarm is about something that repairs itself.
CRITICAL = frozenset(
    {
        "invariant_breached",
        "freeze_failed",
        "decision_lost",
        "drift",
        "order_tampered",
        "order_not_credited",
        "sign_in_mismatch",
    }
)
ALARMS = Group((("severity",), ("alarm",)), {"Alarms": "Count"})


class LoggedAlarms:
    """Implements `Alarms` with one ERROR line each, counted by name and by severity. No context has keys or prompts."""

    def __init__(self, emf: Emf) -> None:
        self._emf = emf

    def alarm(self, name: str, **context: object) -> None:
        severity = "critical" if name in CRITICAL else "degraded"
        self._emf.put(name, (ALARMS,), {**context, "alarm": name, "severity": severity, "Alarms": 1}, "ERROR")
