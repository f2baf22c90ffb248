"""UpdateExpression: its grammar, and its actions as closures."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

from multiconnection.aws.dynamo import Item, RequestRejected

from .evaluate import Check, Names, Values, resolve
from .syntax import Action, AddTo, IfNotExists, Path, Remove, SetTo, Sum, Term, Value
from .tokens import Cursor
from .values import INTEGERS_END, Attribute, add, number, number_text

# What one action leaves in its attribute; None takes the attribute away.
Result = Callable[[Item, Names, Values], Attribute | None]


class UpdateRefused(RequestRejected):
    """The update does not fit the item as it is: an attribute is missing or no number."""


@dataclass(slots=True)
class Update:
    targets: tuple[str, ...]
    results: tuple[Result, ...]

    def attributes(self, names: Names) -> list[str]:
        """The attributes that the update touches, in order; raises RequestRejected when one occurs twice."""
        found = [names[target] if target[0] == "#" else target for target in self.targets]
        if len(set(found)) != len(found):
            raise RequestRejected("two document paths overlap with each other")
        return found


def parse_update(cursor: Cursor) -> list[Action]:
    """Parse SET, REMOVE and ADD, each at most once, in any order."""
    actions: list[Action] = []
    clauses: list[str] = []
    while cursor.token.kind != "end":
        clause = cursor.take().text.upper()
        if clause in clauses:
            raise RequestRejected(f"the {clause} section can only be used once in an update expression")
        clauses.append(clause)
        actions.append(_action(clause, cursor))
        while cursor.accept_sign(","):
            actions.append(_action(clause, cursor))
    return actions


def _action(clause: str, cursor: Cursor) -> Action:
    if clause == "REMOVE":
        return Remove(cursor.path())
    if clause == "ADD":
        return AddTo(cursor.path(), cursor.value())
    if clause == "DELETE":
        raise NotImplementedError("DELETE of set members")
    if clause != "SET":
        raise cursor.error()
    path = cursor.path()
    cursor.expect_sign("=")
    left = _term(cursor)
    if not cursor.at_sign("+", "-"):
        return SetTo(path, left)
    operator = cast(Literal["+", "-"], cursor.take().text)
    return SetTo(path, Sum(operator, left, _term(cursor)))


def _term(cursor: Cursor) -> Term:
    if cursor.token.kind == "value":
        return cursor.value()
    if cursor.at_sign("("):
        raise NotImplementedError("parentheses in an update expression")
    if not cursor.at_function():
        return cursor.path()
    function = cursor.take().text
    if function == "list_append":
        raise NotImplementedError("list_append()")
    if function != "if_not_exists":
        raise RequestRejected(f"invalid function name: {function}")
    cursor.expect_sign("(")
    path = cursor.path()
    cursor.expect_sign(",")
    default = _term(cursor)
    cursor.expect_sign(")")
    return IfNotExists(path, default)


def compile_update(actions: list[Action], checks: list[Check]) -> Update:
    results = tuple(_result(action, checks) for action in actions)
    return Update(tuple(action.path.name for action in actions), results)


def _result(action: Action, checks: list[Check]) -> Result:
    match action:
        case Remove():
            return lambda item, names, values: None
        case AddTo(path, value):
            _require_number(value, checks)
            return _sum("+", _value_or_zero(path), _term_reader(value))
        case SetTo():
            return _set(action.value, checks)


def _set(value: Term | Sum, checks: list[Check]) -> Result:
    if not isinstance(value, Sum):
        return _term_reader(value)
    _require_number(value.left, checks)
    _require_number(value.right, checks)
    return _sum(value.operator, _term_reader(value.left), _term_reader(value.right))


def _require_number(term: Term, checks: list[Check]) -> None:
    if isinstance(term, IfNotExists):
        _require_number(term.default, checks)
    elif isinstance(term, Value):
        name = term.name
        checks.append(lambda names, values: _check_number(values[name]))


def _check_number(attribute: Attribute) -> None:
    if "N" not in attribute:
        raise RequestRejected(f"incorrect operand type: {attribute}")


Reading = Callable[[Item, Names, Values], Attribute]


def _value_or_zero(path: Path) -> Reading:
    return lambda item, names, values: item.get(resolve(path, names), {"N": "0"})


def _term_reader(term: Term) -> Reading:
    if isinstance(term, Value):
        name = term.name
        return lambda item, names, values: values[name]
    if isinstance(term, IfNotExists):
        path, default = term.path, _term_reader(term.default)
        return lambda item, names, values: item.get(resolve(path, names)) or default(item, names, values)
    return _existing(term)


def _existing(path: Path) -> Reading:
    name = path.name
    placeholder = name[0] == "#"

    def read(item: Item, names: Names, values: Values) -> Attribute:
        found = item.get(names[name] if placeholder else name)
        if found is None:
            raise UpdateRefused(f"the expression refers to an attribute that does not exist: {resolve(path, names)}")
        return found

    return read


def _sum(operator: Literal["+", "-"], left: Reading, right: Reading) -> Result:
    sign = 1 if operator == "+" else -1

    def compute(item: Item, names: Names, values: Values) -> Attribute:
        first, second = left(item, names, values), right(item, names, values)
        try:
            total = int(first["N"]) + sign * int(second["N"])
        except (KeyError, ValueError):
            return slowly(first, second)
        return {"N": str(total)} if -INTEGERS_END < total < INTEGERS_END else slowly(first, second)

    def slowly(first: Attribute, second: Attribute) -> Attribute:
        if "N" not in first or "N" not in second:
            raise UpdateRefused("an operand in the update expression has an incorrect data type")
        try:
            return {"N": number_text(add(number(first["N"]), sign * number(second["N"])))}
        except RequestRejected as exc:
            raise UpdateRefused(str(exc)) from exc

    return compute
