"""Every alarm fires on what it is for and is quiet otherwise, and watches a metric that somebody writes."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from local.template_values import read_yaml
from multiconnection.ledger import jobs
from multiconnection.observability import metrics
from multiconnection.observability.metrics import Group

ROOT = Path(__file__).parents[2]
RESOURCES = read_yaml(ROOT / "observability.yaml")["Resources"]
ALARMS = {name: spec["Properties"] for name, spec in RESOURCES.items() if spec["Type"] == "AWS::CloudWatch::Alarm"}
Series = Mapping[str, Sequence[float | None]]
"""Values by metric id, one for each period; None for a period without data. The id of a single metric is `value`."""

# Namespace and name to dimensions, as AWS documents them.
OF_AWS: dict[tuple[str, str], list[set[str]]] = {
    **{("AWS/Lambda", name): [{"FunctionName"}] for name in ("Errors", "Throttles", "Invocations", "Duration")},
    ("AWS/Lambda", "AsyncEventsDropped"): [{"FunctionName"}],
    ("AWS/Lambda", "ClaimedAccountConcurrency"): [set()],
    ("AWS/DynamoDB", "WriteThrottleEvents"): [{"TableName"}, {"TableName", "GlobalSecondaryIndexName"}],
    ("AWS/DynamoDB", "ReadThrottleEvents"): [{"TableName"}, {"TableName", "GlobalSecondaryIndexName"}],
    ("AWS/DynamoDB", "SystemErrors"): [{"TableName", "Operation"}],
    ("AWS/ApiGateway", "Count"): [{"ApiName", "Stage"}],
    ("AWS/ApiGateway", "5XXError"): [{"ApiName", "Stage"}],
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): [{"QueueName"}],
    ("AWS/SQS", "ApproximateAgeOfOldestMessage"): [{"QueueName"}],
    ("AWS/States", "ExecutionsFailed"): [{"StateMachineArn"}],
    ("AWS/States", "ExecutionsTimedOut"): [{"StateMachineArn"}],
    ("AWS/SES", "Reputation.BounceRate"): [set()],
    ("AWS/SES", "Reputation.ComplaintRate"): [set()],
}
# What each alarm fires on, and what leaves it quiet.
CASES: dict[str, tuple[Series, Series]] = {
    "FunctionErrorsAlarm": ({"embeddings": [1]}, {"embeddings": [0]}),
    "ControlErrorsAlarm": ({"fallback": [1]}, {"fallback": [None]}),
    "FunctionThrottlesAlarm": ({"chat": [1]}, {"chat": [0]}),
    "ControlThrottlesAlarm": ({"sweeper": [1]}, {"sweeper": [0]}),
    "ClaimedConcurrencyAlarm": ({"value": [801, 900, 801]}, {"value": [801, 900, 800]}),
    "TableThrottlesAlarm": ({"balances": [4], "activity": [6]}, {"balances": [9]}),
    "ServerErrorsAlarm": ({"answers": [100], "failed": [6]}, {"answers": [19], "failed": [19]}),
    "InternalErrorsAlarm": ({"value": [1]}, {"value": [None]}),
    "UpstreamErrorRateAlarm": (
        {"failed": [5, 6], "answered": [16, 20]},
        {"failed": [5, 4], "answered": [16, 16]},
    ),
    "UpstreamKeyRefusedAlarm": ({"value": [1]}, {"value": [None]}),
    "OldestHoldAlarm": ({"value": [1501, 1561, 1621]}, {"value": [1501, None, 1621]}),
    "SweeperSilentAlarm": ({"value": [None, None]}, {"value": [5, None]}),
    "DriftAlarm": ({"value": [1]}, {"value": [0]}),
    "ReconcilerSilentAlarm": ({"value": [None, None]}, {"value": [1, None]}),
    "FallbackDepthAlarm": ({"value": [1, 1, 1]}, {"value": [1, 0, 1]}),
    "DeadLetterAlarm": ({"value": [1]}, {"value": [0]}),
    "FirstByteAlarm": ({"value": [30_001, 45_000, 31_000]}, {"value": [45_000, 29_000, 45_000]}),
    "NearTimeoutAlarm": ({"export": [893_000]}, {"chat": [886_000], "export": [None]}),
    "SweeperSlowAlarm": ({"value": [51_000, 55_000]}, {"value": [55_000, 2_000]}),
    "EventsDroppedAlarm": ({"sweeper": [4], "reconciler": [1]}, {"sweeper": [4]}),
    "TableErrorsAlarm": ({"usage": [10]}, {"usage": [9]}),
    "FallbackAgeAlarm": ({"value": [1_801]}, {"value": [None]}),
    "MailBouncesAlarm": ({"value": [0.06]}, {"value": [0.05]}),
    "MailComplaintsAlarm": ({"value": [0.002]}, {"value": [0.001]}),
    "RechargeFailedAlarm": ({"late": [1]}, {"failed": [0]}),
    "LedgerCriticalAlarm": ({"value": [1]}, {"value": [None]}),
    "LedgerDegradedAlarm": ({"value": [10_000] * 9}, {"value": [None] * 9}),
}
COMPARED = {
    "GreaterThanThreshold": float.__gt__,
    "GreaterThanOrEqualToThreshold": float.__ge__,
    "LessThanThreshold": float.__lt__,
}
MISSING = {"breaching": True, "notBreaching": False, "ignore": False}


def fires(alarm: Mapping[str, Any], series: Series) -> bool:
    """Whether all periods breach; the threshold of a parameter is its default."""
    threshold = alarm["Threshold"]
    threshold = float(800 if threshold == {"Ref": "ConcurrencyAlarm"} else threshold)
    values = [value_of(alarm, series, number) for number in range(alarm["EvaluationPeriods"])]
    breaching = [
        MISSING[alarm["TreatMissingData"]]
        if value is None
        else bool(COMPARED[alarm["ComparisonOperator"]](float(value), threshold))
        for value in values
    ]
    return all(breaching)


def value_of(alarm: Mapping[str, Any], series: Series, number: int) -> float | None:
    if "MetricName" in alarm:
        return series["value"][number]
    [expression] = [query["Expression"] for query in alarm["Metrics"] if "Expression" in query]
    ids = [query["Id"] for query in alarm["Metrics"] if "MetricStat" in query]
    known = {name: series.get(name, [None] * 99)[number] for name in ids}
    functions = {"FILL": lambda value, other: other if value is None else value, "MAX": max, "IF": chosen}
    # CloudWatch's arithmetic is Python's; a missing value in it makes a missing result.
    python = expression.replace("IF(answers>=20,", "IF((answers or 0)>=20,").replace("/answers", "/(answers or 1)")
    result: float = eval(python, {"__builtins__": {}}, {**functions, **known})  # noqa: S307
    return result


def chosen(condition: bool, then: float, otherwise: float) -> float:
    return then if condition else otherwise


def test_every_alarm_has_its_cases() -> None:
    assert CASES.keys() == ALARMS.keys()


@pytest.mark.parametrize("name", CASES)
def test_an_alarm_fires_on_what_it_is_for_and_not_otherwise(name: str) -> None:
    firing, quiet = CASES[name]
    assert fires(ALARMS[name], firing)
    assert not fires(ALARMS[name], quiet)


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_watches_a_metric_with_dimensions_that_it_has(name: str) -> None:
    alarm = ALARMS[name]
    watched = (
        [alarm] if "MetricName" in alarm else [q["MetricStat"]["Metric"] for q in alarm["Metrics"] if "MetricStat" in q]
    )
    assert watched
    for metric in watched:
        dimensions = {dimension["Name"] for dimension in metric.get("Dimensions", ())}
        assert dimensions in written(metric["Namespace"], metric["MetricName"]), metric


def written(namespace: object, name: str) -> list[set[str]]:
    """The sets of dimensions under which a metric is published, by AWS or by us."""
    if isinstance(namespace, str):
        return OF_AWS[namespace, name]
    groups = [value for module in (metrics, jobs) for value in vars(module).values() if isinstance(value, Group)]
    ours = [set(names) for group in groups if name in group.units for names in group.dimensions]
    filters = [spec["Properties"] for spec in RESOURCES.values() if spec["Type"] == "AWS::Logs::MetricFilter"]
    changes = [change for spec in filters for change in spec["MetricTransformations"] if change["MetricName"] == name]
    return ours + [{dimension["Key"] for dimension in change.get("Dimensions", ())} for change in changes]


def test_alarms_of_one_subject_grow_stricter() -> None:
    """The age of the queue rings later than its depth, so that one cause is not told twice at once."""
    depth, age = ALARMS["FallbackDepthAlarm"], ALARMS["FallbackAgeAlarm"]
    spans = [depth["Period"] * depth["EvaluationPeriods"], age["Threshold"]]
    assert all(first < second for first, second in pairwise(spans))
