"""docs/operations.md explains every alarm and every metric that the templates and the code have."""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local.cli import parser
from local.template_values import read_yaml
from multiconnection.ledger import jobs
from multiconnection.observability import metrics
from multiconnection.observability.metrics import Group

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/operations.md").read_text()
PACKAGE = ROOT / "layers/multiconnection/python/multiconnection"
RESOURCES: dict[str, Any] = {
    name: spec
    for file in ("template.yaml", "observability.yaml")
    for name, spec in read_yaml(ROOT / file)["Resources"].items()
}
ALARMS = {name: spec["Properties"] for name, spec in RESOURCES.items() if spec["Type"] == "AWS::CloudWatch::Alarm"}
FILTERS = {name: spec["Properties"] for name, spec in RESOURCES.items() if spec["Type"] == "AWS::Logs::MetricFilter"}
DASHBOARD: str = RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
NAMESPACE = {"Ref": "MetricsNamespace"}
CALLS_LOG = {"Ref": "CallsLogGroup"}
SERVING_CALLS = {"ChatFunction", "AudioFunction", "ImagesFunction", "EmbeddingsFunction"}


def groups() -> list[Group]:
    modules = (metrics, jobs)
    return [value for module in modules for value in vars(module).values() if isinstance(value, Group)]


def filtered() -> set[str]:
    return {change["MetricName"] for spec in FILTERS.values() for change in spec["MetricTransformations"]}


def published() -> set[str]:
    return {name for group in groups() for name in group.units} | filtered()


def watched(alarm: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The metrics of one alarm."""
    if "MetricName" in alarm:
        yield alarm
    for query in alarm.get("Metrics", ()):
        if "MetricStat" in query:
            yield query["MetricStat"]["Metric"]


def ledger_alarm_names() -> set[str]:
    """As the code spells them: `alarm("name", …)`."""
    sources = (path.read_text() for folder in (PACKAGE, ROOT / "functions") for path in folder.rglob("*.py"))
    return {name for source in sources for name in re.findall(r"\.alarm\(\s*\"(\w+)\"", source)}


def test_every_alarm_has_its_section() -> None:
    assert len(ALARMS) >= 15
    assert set(re.findall(r"^### (\w+)$", PAGE, re.MULTILINE)) == set(ALARMS)


def test_no_alarm_has_more_metrics_than_cloudwatch_takes() -> None:
    assert max(len(list(watched(alarm))) for alarm in ALARMS.values()) <= 10


def test_every_metric_is_explained_and_none_that_is_not_there() -> None:
    table = PAGE.partition("## Metrics")[2].partition("## Alarms")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == published()


def test_every_alarm_of_the_ledger_is_explained() -> None:
    names = ledger_alarm_names()
    assert names >= {"invariant_breached", "overrun", "decision_lost", "apply_deferred", "secret_unreadable"}
    assert names >= metrics.CRITICAL
    assert not [name for name in names if f"- `{name}`" not in PAGE]
    critical = PAGE.partition("### LedgerCriticalAlarm")[2].partition("###")[0]
    assert set(re.findall(r"^- `(\w+)`", critical, re.MULTILINE)) == metrics.CRITICAL


def test_alarms_watch_metrics_that_are_published_with_those_dimensions() -> None:
    known = {(name, names) for group in groups() for name in group.units for names in group.dimensions}
    for spec in FILTERS.values():
        for change in spec["MetricTransformations"]:
            known.add((change["MetricName"], tuple(each["Key"] for each in change.get("Dimensions", ()))))
    ours = [metric for alarm in ALARMS.values() for metric in watched(alarm) if metric["Namespace"] == NAMESPACE]
    assert len(ours) >= 8
    for metric in ours:
        names = tuple(each["Name"] for each in metric.get("Dimensions", ()))
        assert (metric["MetricName"], names) in known


def test_every_alarm_is_sent_when_it_begins_and_when_it_ends() -> None:
    for name, alarm in ALARMS.items():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "AlarmTopic"}], name
        assert alarm["AlarmDescription"], name


def test_the_filters_match_the_lines_that_the_code_writes() -> None:
    for name, spec in FILTERS.items():
        assert f'$.message = "{metrics.UPSTREAM_FAILED}"' in spec["FilterPattern"], name
        assert spec["LogGroupName"] == CALLS_LOG
    functions = {name: spec["Properties"] for name, spec in RESOURCES.items() if name in SERVING_CALLS}
    assert {name for name, spec in functions.items() if spec["LoggingConfig"]["LogGroup"] == CALLS_LOG} == SERVING_CALLS


def test_the_dashboard_shows_every_metric() -> None:
    assert not [name for name in published() if f'"{name}"' not in DASHBOARD.replace('\\"', '"')]


def leaves(command: argparse.ArgumentParser, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of each command that does something, with its help; every name on the way has help, too."""
    groups = [action for action in command._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield words
    for group in groups:
        told = {choice.dest: choice.help for choice in group._choices_actions}
        for name, each in group.choices.items():
            assert told.get(name), f"{' '.join((*words, name))} has no help"
            yield from leaves(each, (*words, name))


def test_every_command_is_described() -> None:
    """In a table of "By command line", where `account show` is another command than `admin account show`."""
    section = PAGE.partition("## By command line")[2].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    named = {shown for cell in cells for shown in re.findall(r"`([^`]+)`", cell)}
    commands = {" ".join(words) for words in leaves(parser())}
    assert len(commands) >= 35
    assert [each for each in commands if not any(f"{shown} ".startswith(f"{each} ") for shown in named)] == []
    verbs = {" ".join(word for word in shown.split() if word.islower() and word.isalpha()) for shown in named}
    assert verbs <= commands, "commands that are not there"


def test_how_to_do_the_usual_things_is_described() -> None:
    headings = set(re.findall(r"^## (.+)$", PAGE, re.MULTILINE))
    assert headings >= {"Rotate a provider key", "Restore a table", "Change a price", "Roll back", "Tear down"}
    assert "Files of callers" in headings
    assert any("fallback queue" in heading and "dead letters" in heading for heading in headings)
