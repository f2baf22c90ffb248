"""Health of the providers, from the metrics of the last quarter of an hour."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from multiconnection.aws.client import AwsHttp, AwsRefused, AwsService, AwsUnreachable
from multiconnection.ports import Clock

State = Literal["ok", "degraded", "down", "unknown"]
WINDOW_S = 900
# Requests for metrics are billed, and the metrics are minutes old anyway.
KEPT_S = 60.0
# Fewer attempts than this say nothing about a share.
ATTEMPTS_MIN = 5
DOWN_SHARE, DEGRADED_SHARE = 0.5, 0.1
# Metric → (prefix of its query ids, statistic).
_METRICS = {"UpstreamAnswers": ("a", "Sum"), "UpstreamErrors": ("e", "Sum"), "UpstreamLatency": ("l", "p90")}
log = logging.getLogger(__name__)


class MetricsUnavailable(Exception):
    """The metrics could not be read."""


@dataclass(frozen=True, slots=True)
class ProviderFigures:
    """Attempts that a provider answered and that it failed; `p90_ms` is the latency of its answers."""

    answers: int = 0
    errors: int = 0
    p90_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Health:
    state: State
    figures: ProviderFigures


class ProviderMetrics(Protocol):
    async def figures(self, names: Sequence[str], since_s: int, until_s: int) -> Mapping[str, ProviderFigures]:
        """Figures by provider; one without data may be missing. Raises MetricsUnavailable."""


class ProviderHealth:
    """Health of the named providers, kept for a minute. Implements `ProviderStates` of the site."""

    def __init__(self, metrics: ProviderMetrics, names: Sequence[str], clock: Clock) -> None:
        self._metrics = metrics
        self._names = tuple(names)
        self._clock = clock
        self._known: Mapping[str, Health] = {}
        self._fresh_until_s = 0.0

    async def health(self) -> Mapping[str, Health]:
        """Health by provider; unknown if there is no data, or it cannot be read."""
        now_s = self._clock.now()
        if now_s >= self._fresh_until_s:
            self._known, self._fresh_until_s = await self._read(int(now_s)), now_s + KEPT_S
        return self._known

    async def states(self) -> Mapping[str, State]:
        return {name: health.state for name, health in (await self.health()).items()}

    async def _read(self, now_s: int) -> Mapping[str, Health]:
        found: Mapping[str, ProviderFigures] = {}
        try:
            found = await self._metrics.figures(self._names, now_s - WINDOW_S, now_s)
        except MetricsUnavailable as exc:
            log.warning("provider_metrics_unavailable", extra={"error": str(exc)})
        return {name: judged(found.get(name, ProviderFigures())) for name in self._names}


def judged(figures: ProviderFigures) -> Health:
    """The state that the share of failed attempts means."""
    attempts = figures.answers + figures.errors
    if not attempts:
        return Health("unknown", figures)
    share = figures.errors / attempts
    if attempts < ATTEMPTS_MIN:
        return Health("degraded" if share >= DOWN_SHARE else "ok", figures)
    return Health("down" if share >= DOWN_SHARE else "degraded" if share >= DEGRADED_SHARE else "ok", figures)


class CloudWatchMetrics:
    """Implements `ProviderMetrics` with one GetMetricData, which takes 500 metrics; three belong to each provider."""

    def __init__(self, namespace: str, http: AwsHttp) -> None:
        self._namespace = namespace
        self._cloudwatch = AwsService(http, "monitoring", "GraniteServiceVersion20100801", attempts_max=2)

    async def figures(self, names: Sequence[str], since_s: int, until_s: int) -> Mapping[str, ProviderFigures]:
        # One period for the whole window: one value, or none.
        period_s = until_s - since_s
        queries = [
            self._query(f"{prefix}{place}", metric, name, statistic, period_s)
            for place, name in enumerate(names)
            for metric, (prefix, statistic) in _METRICS.items()
        ]
        request = {"MetricDataQueries": queries, "StartTime": since_s, "EndTime": until_s}
        try:
            answer = await self._cloudwatch.call("GetMetricData", request)
        except AwsRefused as exc:
            raise MetricsUnavailable(exc.code) from exc
        except AwsUnreachable as exc:
            raise MetricsUnavailable(exc.reason) from exc
        # The window can touch two periods.
        values = {result["Id"]: result.get("Values", ()) for result in answer.get("MetricDataResults", ())}
        return {name: _figures(values, place) for place, name in enumerate(names)}

    def _query(self, query_id: str, metric: str, provider: str, statistic: str, period_s: int) -> dict[str, Any]:
        found = {
            "Namespace": self._namespace,
            "MetricName": metric,
            "Dimensions": [{"Name": "provider", "Value": provider}],
        }
        return {"Id": query_id, "MetricStat": {"Metric": found, "Period": period_s, "Stat": statistic}}


def _figures(values: Mapping[str, Sequence[float]], place: int) -> ProviderFigures:
    latency = values.get(f"l{place}", ())
    return ProviderFigures(
        answers=round(sum(values.get(f"a{place}", ()))),
        errors=round(sum(values.get(f"e{place}", ()))),
        p90_ms=round(max(latency)) if latency else None,
    )
