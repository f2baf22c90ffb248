"""What is measured about calls, holds and books, and under which names it is published."""

from collections.abc import Mapping

from multiconnection.context import RequestContext
from multiconnection.ledger.models import SweepReport, UsageRow
from multiconnection.observability.metrics import Emf, Group

CALLS = Group(((), ("route",)), {"Calls": "Count"})
FIRST_BYTE = Group((("route",),), {"TimeToFirstByte": "Milliseconds"})
ERRORS = Group(((), ("code",)), {"Errors": "Count"})
BILLED = Group(((),), {"TokensIn": "Count", "TokensOut": "Count", "CostUsd": "None"})
ANSWERED = Group(((), ("provider",)), {"UpstreamAnswers": "Count"})
LATENCY = Group((("provider",),), {"UpstreamLatency": "Milliseconds"})
HOLDS = Group(((),), {"HoldsOutstanding": "Count", "OldestHoldAge": "Seconds", "HoldsEnded": "Count"})
BOOKS = Group(((),), {"Drift": "Count", "UnverifiedAccounts": "Count", "StaleHolds": "Count"})
# Written by a metric filter of the template over the lines of this name: a call may fail at several providers, and
# one line of metrics has room for one provider.
UPSTREAM_FAILED = "upstream_failed"
_ONE_USD_NANO = 10**9


class Telemetry:
    """One per process. The correlation adds request and account ids to every line."""

    def __init__(self, emf: Emf, hold_lifetime_s: float) -> None:
        self._emf = emf
        self._hold_lifetime_s = hold_lifetime_s

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

    def swept(self, report: "SweepReport", now_s: float) -> None:
        """Silent while no account has been active: what is idle costs nothing, its metrics neither."""
        if not report.accounts:
            return
        age_s = 0.0
        if report.oldest_expiry_s is not None:
            age_s = max(0.0, now_s - report.oldest_expiry_s + self._hold_lifetime_s)
        members = {
            "HoldsOutstanding": report.waiting + report.failed,
            "OldestHoldAge": round(age_s),
            "HoldsEnded": report.ended,
            "accounts": report.accounts,
            "failed": report.failed,
            "complete": report.complete,
        }
        self._emf.put("sweep", (HOLDS,), members)

    def reconciled(self, totals: Mapping[str, int]) -> None:
        members = {
            "Drift": totals["drift"],
            "UnverifiedAccounts": totals["unverified"],
            "StaleHolds": totals["stale_holds"],
        }
        self._emf.put("reconciliation", (BOOKS,), {**totals, **members})


def charged_members(row: UsageRow) -> Mapping[str, object]:
    """What the metrics line of a settled call says about its charge."""
    return {
        "TokensIn": row.usage.prompt_tokens,
        "TokensOut": row.usage.completion_tokens,
        "CostUsd": row.cost / _ONE_USD_NANO,
        "model": row.model,
        "key_id": row.key_id,
        "attempts": row.attempts,
        "ended": row.ended.value,
        "usage_source": row.usage_source.value,
        "streamed": row.streamed,
        "duration_ms": row.duration_ms,
    }
