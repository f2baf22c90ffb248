"""What CloudWatch knows about the providers; boto3 is loaded at the first use."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from multiconnection.services.admin_health import Figures, MetricsUnavailable

# Metric → (its name in a query's id, statistic).
_METRICS = {"UpstreamAnswers": ("a", "Sum"), "UpstreamErrors": ("e", "Sum"), "UpstreamLatency": ("l", "p90")}


class CloudWatchMetrics:
    """Implements `ProviderMetrics` with one GetMetricData: three metrics a provider, 500 at most."""

    def __init__(self, namespace: str, region: str, endpoint_url: str | None = None) -> None:
        self._namespace = namespace
        self._region = region
        self._endpoint_url = endpoint_url
        self._client: Any = None

    async def figures(self, names: Sequence[str], since_s: int, until_s: int) -> Mapping[str, Figures]:
        return await asyncio.to_thread(self._blocking, names, since_s, until_s)

    def _blocking(self, names: Sequence[str], since_s: int, until_s: int) -> Mapping[str, Figures]:
        from botocore.exceptions import BotoCoreError, ClientError

        # One period for the whole window: one value, or none.
        period_s = until_s - since_s
        queries = [
            self._query(f"{prefix}{place}", metric, name, statistic, period_s)
            for place, name in enumerate(names)
            for metric, (prefix, statistic) in _METRICS.items()
        ]
        start, end = datetime.fromtimestamp(since_s, UTC), datetime.fromtimestamp(until_s, UTC)
        try:
            answer = self._connected().get_metric_data(MetricDataQueries=queries, StartTime=start, EndTime=end)
        except ClientError as exc:
            raise MetricsUnavailable(str(exc.response.get("Error", {}).get("Code", ""))) from exc
        except BotoCoreError as exc:
            raise MetricsUnavailable(type(exc).__name__) from exc
        # The window can touch two periods.
        values = {result["Id"]: result["Values"] for result in answer.get("MetricDataResults", ())}
        return {name: _figures(values, place) for place, name in enumerate(names)}

    def _query(self, query_id: str, metric: str, provider: str, statistic: str, period_s: int) -> dict[str, Any]:
        found = {
            "Namespace": self._namespace,
            "MetricName": metric,
            "Dimensions": [{"Name": "provider", "Value": provider}],
        }
        return {"Id": query_id, "MetricStat": {"Metric": found, "Period": period_s, "Stat": statistic}}

    def _connected(self) -> Any:
        if self._client is None:
            import botocore.session
            from botocore.config import Config

            config = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 2, "mode": "standard"})
            self._client = botocore.session.get_session().create_client(
                "cloudwatch", region_name=self._region, endpoint_url=self._endpoint_url, config=config
            )
        return self._client


def _figures(values: Mapping[str, Sequence[float]], place: int) -> Figures:
    latency = values.get(f"l{place}", ())
    return Figures(
        answers=round(sum(values.get(f"a{place}", ()))),
        errors=round(sum(values.get(f"e{place}", ()))),
        p90_ms=round(max(latency)) if latency else None,
    )
