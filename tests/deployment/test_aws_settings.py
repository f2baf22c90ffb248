"""Settings that matter on AWS only: what they cost, and what happens when the account is full or a run fails."""

import json
from pathlib import Path
from typing import Any

import pytest

from local.template_values import read_yaml
from tests.support.translation import translations

ROOT = Path(__file__).parents[2]
DOCUMENT = read_yaml(ROOT / "template.yaml")
NESTED = read_yaml(ROOT / "observability.yaml")
CONTROL = {
    "SweeperFunction": 4,
    "FallbackFunction": 3,
    "RechargeFunction": 10,
    "AdminFunction": 10,
    "AccountFunction": 50,
}
PROTECTED = {name for name, spec in DOCUMENT["Resources"].items() if "DeletionProtectionEnabled" in spec["Properties"]}
# Names and values of a function's environment together.
ENVIRONMENT_BYTES_MAX = 4096


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    [template] = translations([{}])
    found: dict[str, Any] = template["Resources"]
    return found


def of_type(resources: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {name: one["Properties"] for name, one in resources.items() if one["Type"] == kind}


def test_methods_have_no_metrics_of_their_own(resources: dict[str, Any]) -> None:
    [stage] = of_type(resources, "AWS::ApiGateway::Stage").values()
    assert not any(settings.get("MetricsEnabled") for settings in stage["MethodSettings"])


def test_a_failed_or_late_minute_of_the_sweeper_is_not_repeated(resources: dict[str, Any]) -> None:
    [config] = of_type(resources, "AWS::Lambda::EventInvokeConfig").values()
    assert config["FunctionName"] == {"Ref": "SweeperFunction"}
    assert (config["MaximumRetryAttempts"], config["MaximumEventAgeInSeconds"]) == (0, 60)


def test_concurrency_is_reserved_for_the_control_functions_on_request_only(resources: dict[str, Any]) -> None:
    found = {
        name: spec["ReservedConcurrentExecutions"]
        for name, spec in of_type(resources, "AWS::Lambda::Function").items()
        if "ReservedConcurrentExecutions" in spec
    }
    assert found == {
        name: {"Fn::If": ["ReservesConcurrency", number, {"Ref": "AWS::NoValue"}]} for name, number in CONTROL.items()
    }
    assert DOCUMENT["Parameters"]["ReserveConcurrency"]["Default"] == "false"
    assert f"{sum(CONTROL.values())} of" in DOCUMENT["Parameters"]["ReserveConcurrency"]["Description"]


def test_the_queue_has_fewer_workers_than_its_function_may_run(resources: dict[str, Any]) -> None:
    [source] = of_type(resources, "AWS::Lambda::EventSourceMapping").values()
    assert source["ScalingConfig"] == {"MaximumConcurrency": 2}
    assert source["FunctionName"] == {"Ref": "FallbackFunction"}
    assert CONTROL["FallbackFunction"] > 2


def test_an_alarm_rings_before_the_account_is_full() -> None:
    alarm = NESTED["Resources"]["ClaimedConcurrencyAlarm"]["Properties"]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/Lambda", "ClaimedAccountConcurrency")
    assert alarm["Threshold"] == {"Ref": "ConcurrencyAlarm"}
    assert "Dimensions" not in alarm, "the metric is of the account and has none"


def test_tables_use_the_key_that_is_free(resources: dict[str, Any]) -> None:
    tables = of_type(resources, "AWS::DynamoDB::Table")
    assert len(tables) == 10
    assert not any("SSESpecification" in table for table in tables.values())


def test_a_failed_first_deployment_leaves_only_what_refuses_to_be_deleted() -> None:
    kept = {name for name, spec in DOCUMENT["Resources"].items() if spec.get("DeletionPolicy") == "Retain"}
    removed = {
        name for name, spec in DOCUMENT["Resources"].items() if spec.get("DeletionPolicy") == "RetainExceptOnCreate"
    }
    assert removed == {"LimitsTable", "PayloadBucket", "FallbackQueue", "FallbackDeadLetterQueue"}
    assert all(DOCUMENT["Resources"][name]["UpdateReplacePolicy"] == "Retain" for name in removed)
    assert kept >= PROTECTED
    assert len(PROTECTED) == 9


def test_every_environment_fits_when_its_parameters_are_as_long_as_they_may_be() -> None:
    """Lambda refuses more than 4 KB, in the middle of a deployment."""
    shared = DOCUMENT["Globals"]["Function"]["Environment"]["Variables"]
    for name, spec in DOCUMENT["Resources"].items():
        if spec["Type"] == "AWS::Serverless::Function":
            own = spec["Properties"].get("Environment", {}).get("Variables", {})
            size = sum(len(key) + longest(value) for key, value in (shared | own).items())
            assert size < ENVIRONMENT_BYTES_MAX, name


def longest(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    parameter = DOCUMENT["Parameters"].get(value.get("Ref", ""))
    if parameter is None:
        return 100  # a name, URL or ARN that CloudFormation makes
    return int(parameter.get("MaxLength", max(len(str(parameter["Default"])), 20)))


def test_the_access_log_has_the_ids_that_our_lines_have() -> None:
    text = DOCUMENT["Resources"]["Api"]["Properties"]["AccessLogSetting"]["Format"]
    line = json.loads(text)
    assert line["requestId"] == "$context.requestId"
    assert line["functionRequestId"] == "$context.integration.requestId"
