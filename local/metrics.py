"""Metrics of a log line as CloudWatch Logs extracts them: embedded metric format and metric filters."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from local.template import Template
from local.template_values import TemplateError, resolve

Line = Mapping[str, Any]
Dimensions = tuple[tuple[str, str], ...]
_TERM = re.compile(r'\s*\$\.(\w+) = "([^"*]*|\*)"\s*')
# CloudWatch keeps metrics of standard resolution by the minute.
_RESOLUTION_S = 60


@dataclass(frozen=True, slots=True)
class Sample:
    """A metric in a minute; samples that differ only in their values are one datum."""

    namespace: str
    name: str
    unit: str
    dimensions: Dimensions
    minute: datetime


@dataclass(frozen=True, slots=True)
class MetricFilter:
    """`terms`: member → the text it must have, `*` for any. `dimensions`: name → the member that has its value."""

    terms: Mapping[str, str]
    namespace: str
    name: str
    unit: str
    value: float
    dimensions: Mapping[str, str]

    def found(self, line: Line) -> Iterator[tuple[Sample, float]]:
        matches = all(member in line and wanted in ("*", line[member]) for member, wanted in self.terms.items())
        dimensions = _dimensions(line, self.dimensions)
        if matches and dimensions is not None:
            minute = _minute(datetime.fromisoformat(line["timestamp"]).timestamp())
            yield Sample(self.namespace, self.name, self.unit, dimensions, minute), self.value


def metric_filters(template: Template, known: Mapping[str, str]) -> list[MetricFilter]:
    """Raises TemplateError for a pattern that is more than `{ $.a = "x" && $.b = "*" }`.

    One process serves all functions here, so a filter is not asked which log group it reads.
    """
    return [
        MetricFilter(
            terms=_terms(properties["FilterPattern"], logical_id),
            namespace=resolve(change["MetricNamespace"], known, logical_id),
            name=change["MetricName"],
            unit=change.get("Unit", "None"),
            value=float(change["MetricValue"]),
            dimensions={each["Key"]: each["Value"].removeprefix("$.") for each in change.get("Dimensions", ())},
        )
        for logical_id, properties in template.of_type("AWS::Logs::MetricFilter")
        for change in properties["MetricTransformations"]
    ]


def extracted(raw: bytes, filters: Sequence[MetricFilter]) -> list[tuple[Sample, float]]:
    """The samples of a line; none for a line that is no JSON object or breaks the format."""
    try:
        line = json.loads(raw)
        if not isinstance(line, dict):
            return []
        return [*_embedded(line), *(each for chosen in filters for each in chosen.found(line))]
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, OSError):
        return []


def _embedded(line: Line) -> Iterator[tuple[Sample, float]]:
    if "_aws" not in line:
        return
    minute = _minute(line["_aws"]["Timestamp"] / 1000)
    for directive in line["_aws"]["CloudWatchMetrics"]:
        sets = [_dimensions(line, {name: name for name in names}) for names in directive["Dimensions"]]
        for dimensions in sets:
            for metric in directive["Metrics"] if dimensions is not None else ():
                name, unit = str(metric["Name"]), str(metric.get("Unit", "None"))
                sample = Sample(str(directive["Namespace"]), name, unit, dimensions or (), minute)
                yield from ((sample, value) for value in _numbers(line.get(name)))


def _numbers(value: object) -> Iterator[float]:
    """A metric's member is a number, or a list of them."""
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, int | float) and not isinstance(each, bool) and math.isfinite(each):
            yield float(each)


def _dimensions(line: Line, members: Mapping[str, str]) -> Dimensions | None:
    """None when one has no value in this line: then there is no metric."""
    texts = [(name, value) for name, member in members.items() if isinstance(value := line.get(member), str) and value]
    return tuple(sorted(texts)) if len(texts) == len(members) else None


def _terms(pattern: str, where: str) -> dict[str, str]:
    terms = [_TERM.fullmatch(term) for term in pattern.strip().removeprefix("{").removesuffix("}").split("&&")]
    if not all(terms):
        raise TemplateError(f"{where}.FilterPattern: cannot read {pattern!r}")
    return {term[1]: term[2] for term in terms if term}


def _minute(at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s - at_s % _RESOLUTION_S, UTC)
