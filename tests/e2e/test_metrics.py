"""What the functions measure reaches the admin's Providers page and the public status."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from local.aws import client
from tests.e2e.support.customers import demo_customer
from tests.e2e.support.people import Visitor, demo_admin
from tests.e2e.support.stack import LocalStack
from tests.e2e.support.waiting import until

FED_S = 30.0
ANSWERED = 3


def measured(stack: LocalStack, metric: str) -> float:
    """The sum of provider demo's samples, read beside the gateway: that one keeps what it read for a minute."""
    settings = json.loads((stack.folder / "stack.json").read_text())
    cloudwatch = client("cloudwatch", settings["AWS_ENDPOINT_URL"])
    points = cloudwatch.get_metric_statistics(
        Namespace=settings["METRICS_NAMESPACE"],
        MetricName=metric,
        Dimensions=[{"Name": "provider", "Value": "demo"}],
        StartTime=datetime.fromtimestamp(time.time(), UTC) - timedelta(minutes=15),
        EndTime=datetime.fromtimestamp(time.time(), UTC) + timedelta(minutes=1),
        Period=60,
        Statistics=["Sum"],
    )["Datapoints"]
    return sum(float(point["Sum"]) for point in points)


def test_a_providers_answers_errors_and_latency_are_shown(tmp_path: Path) -> None:
    """On a stack of its own: its pages have not looked at the metrics yet."""
    with LocalStack(tmp_path / "local") as stack:
        customer = demo_customer(stack)
        assert customer.chat("demo-error-500").status_code == 502
        assert {customer.chat().status_code for _ in range(ANSWERED)} == {200}
        until(lambda: measured(stack, "UpstreamAnswers") == ANSWERED, FED_S, "the answers are measured")
        errors = measured(stack, "UpstreamErrors")
        shown = {each["name"]: each["health"] for each in demo_admin(stack).get("/api/admin/providers")["data"]}
        assert (shown["demo"]["answers"], shown["demo"]["errors"]) == (ANSWERED, errors)
        assert errors >= 1
        assert shown["demo"]["p90_ms"] > 0
        status = {each["provider"]: each["state"] for each in Visitor(stack).get("/api/site")["status"]}
        assert status["demo"] == shown["demo"]["state"] != "unknown"
