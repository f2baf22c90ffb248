"""Plan of a request by its expressions alone: parsed once, then only bound to names and values."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from multiconnection.aws.dynamo import RequestRejected

from .conditions import parse_condition
from .evaluate import Check, Names, Test, Values, compile_condition
from .keys import KeyTest, compile_key_condition
from .syntax import Path
from .tokens import Cursor
from .updates import Update, compile_update, parse_update
from .values import normalise

_NO_NAMES: Names = {}
_NO_VALUES: Mapping[str, Any] = {}


@dataclass(slots=True)
class Plan:
    names: frozenset[str]
    values: frozenset[str]
    checks: tuple[Check, ...]
    condition: Test | None
    condition_paths: tuple[Path, ...]
    update: Update | None
    key_condition: KeyTest | None
    projection: tuple[Path, ...]

    def bind(self, payload: Mapping[str, Any]) -> tuple[Names, Values]:
        """The placeholders of a request; raises RequestRejected on whatever is wrong whatever the item is."""
        names = payload.get("ExpressionAttributeNames", _NO_NAMES)
        raw = payload.get("ExpressionAttributeValues", _NO_VALUES)
        if not (names or names is _NO_NAMES) or not (raw or raw is _NO_VALUES):
            raise RequestRejected("names and values of placeholders must not be empty")
        if names.keys() != self.names or raw.keys() != self.values:
            self._complain(names.keys(), raw.keys())
        values = {name: normalise(value) for name, value in raw.items()}
        for check in self.checks:
            check(names, values)
        return names, values

    def _complain(self, names: Any, values: Any) -> None:
        undefined = (self.names - names) | (self.values - values)
        unused = (names - self.names) | (values - self.values)
        raise RequestRejected(f"placeholders undefined: {sorted(undefined)}, unused: {sorted(unused)}")


def plan_of(payload: Mapping[str, Any], filter_name: str = "ConditionExpression") -> Plan:
    return _plan(
        payload.get(filter_name),
        payload.get("UpdateExpression"),
        payload.get("KeyConditionExpression"),
        payload.get("ProjectionExpression"),
    )


@cache
def _plan(condition: str | None, update: str | None, key_condition: str | None, projection: str | None) -> Plan:
    cursors: list[Cursor] = []
    checks: list[Check] = []

    def cursor(text: str) -> Cursor:
        cursors.append(Cursor(text))
        return cursors[-1]

    test = None if condition is None else compile_condition(parse_condition(cursor(condition)), checks)
    actions = None if update is None else compile_update(parse_update(cursor(update)), checks)
    keys = None if key_condition is None else compile_key_condition(parse_condition(cursor(key_condition)), checks)
    paths = () if projection is None else _parse_projection(cursor(projection))
    return Plan(
        names=frozenset().union(*(each.names for each in cursors)),
        values=frozenset().union(*(each.values for each in cursors)),
        checks=tuple(checks),
        condition=test,
        condition_paths=() if condition is None else tuple(cursors[0].paths),
        update=actions,
        key_condition=keys,
        projection=paths,
    )


def _parse_projection(cursor: Cursor) -> tuple[Path, ...]:
    paths = [cursor.path()]
    while cursor.accept_sign(","):
        paths.append(cursor.path())
    cursor.expect_end()
    return tuple(paths)
