"""The local stack's metrics: extracted from real lines as CloudWatch Logs does, fed to CloudWatch from log files."""

import json
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from local.metrics import extracted, metric_filters
from local.metrics_feed import MetricsFeed
from local.template import Template, load
from local.template_values import TemplateError
from multiconnection.observability.metrics import Emf, RequestMetrics
from multiconnection.usage import Attempts, Failure
from tests.support.usage_rows import answered_context

NAMESPACE = "Here"
FILTERS = metric_filters(load(Path(__file__).parents[2] / "template.yaml"), {"MetricsNamespace": NAMESPACE})
DEMO = (("provider", "demo"),)
WAIT_S = 20
Found = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def call_lines(code: str = "upstream_error") -> list[str]:
    """What one call writes that failed once and was answered then."""
    written: list[str] = []
    attempts = Attempts(2, "demo", 410, failures=[Failure("demo", code, 7)])
    context = answered_context(attempts)
    RequestMetrics(Emf(NAMESPACE, written.append)).call(context)
    return written


def published(lines: list[str]) -> Found:
    found = [each for line in lines for each in extracted(line.encode(), FILTERS)]
    assert {(sample.namespace, sample.minute.second) for sample, _ in found} <= {(NAMESPACE, 0)}
    return {(sample.name, sample.dimensions): value for sample, value in found}


def test_a_calls_lines_are_metrics_with_and_without_dimensions() -> None:
    found = published(call_lines())
    assert found["UpstreamAnswers", DEMO] == found["UpstreamAnswers", ()] == 1
    assert found["UpstreamLatency", DEMO] == 410
    assert ("UpstreamLatency", ()) not in found
    assert found["Calls", (("route", "/v1/chat/completions"),)] == 1
    assert found["UpstreamErrors", DEMO] == found["UpstreamErrors", ()] == 1
    assert ("UpstreamKeyRefused", ()) not in found


def test_a_filter_wants_all_its_terms() -> None:
    assert published(call_lines("upstream_auth_error"))["UpstreamKeyRefused", ()] == 1
    failed = json.loads(call_lines()[0])
    assert failed.pop("provider") == "demo"
    assert published([json.dumps(failed)]) == {("UpstreamErrors", ()): 1}


@pytest.mark.parametrize("broken", [{"provider": None}, {"UpstreamAnswers": "1"}, {"_aws": {}}, {"_aws": 1}])
def test_what_is_not_as_the_format_wants_it_is_no_metric(broken: dict[str, Any]) -> None:
    line = json.loads(call_lines()[1]) | broken
    assert ("UpstreamAnswers", DEMO) not in published([json.dumps(line)])


@pytest.mark.parametrize("line", ["", "WARNING: plain text", "[1]", '{"message": "upstream_failed", "timestamp": 1}'])
def test_other_lines_are_no_metrics(line: str) -> None:
    assert published([line]) == {}


@pytest.mark.parametrize("pattern", ["ERROR", '{ $.code = "upstream_*" }', '{ $.status > "1" }'])
def test_a_pattern_that_cannot_be_followed_is_refused(pattern: str) -> None:
    resource = {"Type": "AWS::Logs::MetricFilter"}
    change = {"MetricNamespace": "N", "MetricName": "M", "MetricValue": "1"}
    properties = {"FilterPattern": pattern, "MetricTransformations": [change]}
    with pytest.raises(TemplateError, match=r"Filter\.FilterPattern"):
        metric_filters(Template({"Resources": {"Filter": {**resource, "Properties": properties}}}), {})


@dataclass
class CloudWatch:
    """Takes what is put, after `outages` refusals; tells by `taken`."""

    outages: int = 0
    data: list[dict[str, Any]] = field(default_factory=list)
    refused: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    taken: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def put_metric_data(self, **request: Any) -> None:
        if self.outages:
            self.outages -= 1
            self.refused.release()
            raise EndpointConnectionError(endpoint_url="http://127.0.0.1:9")
        assert request["Namespace"] == NAMESPACE
        self.data.extend(request["MetricData"])
        self.taken.release()

    def total(self, name: str) -> float:
        data = [each for each in self.data if (each["MetricName"], len(each["Dimensions"])) == (name, 1)]
        pairs = [pair for each in data for pair in zip(each["Values"], each["Counts"], strict=True)]
        return sum(float(value * n) for value, n in pairs)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.metrics_feed.EVERY_S", 0.01)


def test_the_end_puts_what_was_written_and_equal_values_as_one(tmp_path: Path) -> None:
    log, cloud = tmp_path / "gateway.log", CloudWatch()
    log.write_text("".join(call_lines() * 300) + '{"half a li')
    feed = MetricsFeed([log, tmp_path / "missing.log"], FILTERS, lambda: cloud)
    feed.start()
    feed.stop()
    assert "metrics" not in {thread.name for thread in threading.enumerate()}
    assert (cloud.total("UpstreamAnswers"), cloud.total("UpstreamErrors")) == (300, 300)
    assert sum(len(each["Values"]) for each in cloud.data if each["MetricName"] == "UpstreamLatency") < 30


@pytest.mark.usefixtures("hurried")
def test_a_log_that_grows_or_begins_anew_is_followed(tmp_path: Path) -> None:
    log, cloud = tmp_path / "gateway.log", CloudWatch()
    log.write_text("".join(call_lines() * 2))
    feed = MetricsFeed([log], FILTERS, lambda: cloud)
    feed.start()
    assert cloud.taken.acquire(timeout=WAIT_S)
    with log.open("a") as growing:
        growing.writelines(call_lines())
    assert cloud.taken.acquire(timeout=WAIT_S)
    log.write_text("".join(call_lines()))
    feed.stop()
    assert cloud.total("UpstreamAnswers") == 4


@pytest.mark.usefixtures("hurried")
def test_a_cloudwatch_that_is_down_is_told_once_and_ends_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log, cloud = tmp_path / "gateway.log", CloudWatch(outages=2)
    log.write_text("".join(call_lines()))
    feed = MetricsFeed([log], FILTERS, lambda: cloud)
    feed.start()
    for signal in (cloud.refused, cloud.refused, cloud.taken):
        assert signal.acquire(timeout=WAIT_S)
        with log.open("a") as growing:
            growing.writelines(call_lines())
    feed.stop()
    assert cloud.total("UpstreamAnswers") == 2
    assert capsys.readouterr().out.count("Metrics are missing") == 1
