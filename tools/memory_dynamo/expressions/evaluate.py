"""Conditions as closures: parsed once, then called with an item, names and values."""

from collections.abc import Callable, Mapping
from operator import ge, gt, le, lt
from typing import Any

from multiconnection.aws.dynamo import Item, RequestRejected

from .syntax import And, BeginsWith, Between, Compare, Condition, Exists, In, Not, Operand, Or, Path, Size, Value
from .values import Attribute, Number, number

Names = Mapping[str, str]
Values = Mapping[str, Attribute]
Test = Callable[[Item, Names, Values], bool]
Read = Callable[[Item, Names, Values], Attribute | None]
Check = Callable[[Names, Values], None]

_ORDER: Mapping[str, Callable[[Any, Any], Any]] = {"<": lt, "<=": le, ">": gt, ">=": ge}


def resolve(path: Path, names: Names) -> str:
    return names[path.name] if path.name[0] == "#" else path.name


def reader(operand: Operand) -> Read:
    name = operand.path.name if isinstance(operand, Size) else operand.name
    if isinstance(operand, Value):
        return lambda item, names, values: values[name]
    if isinstance(operand, Size):
        path = operand.path
        return lambda item, names, values: _size(item.get(resolve(path, names)))
    if name[0] == "#":
        return lambda item, names, values: item.get(names[name])
    return lambda item, names, values: item.get(name)


def _size(attribute: Attribute | None) -> Attribute | None:
    if attribute is None:
        return None
    ((kind, raw),) = attribute.items()
    if kind == "S":
        return {"N": str(len(raw))}
    return {"N": str(len(raw))} if kind in ("L", "M") else None


def _pair(left: Attribute | None, right: Attribute | None) -> tuple[Number, Number] | tuple[str, str] | None:
    """Both values when they have an order: two numbers or two texts."""
    if left is None or right is None:
        return None
    if "N" in left and "N" in right:
        return number(left["N"]), number(right["N"])
    if "S" in left and "S" in right:
        return left["S"], right["S"]
    return None


def compile_condition(node: Condition, checks: list[Check]) -> Test:
    """The test of a node; what DynamoDB finds wrong before it looks at any item is appended to `checks`."""
    match node:
        case And(parts):
            return _all([compile_condition(part, checks) for part in parts])
        case Or(parts):
            tests = [compile_condition(part, checks) for part in parts]
            return lambda item, names, values: any(test(item, names, values) for test in tests)
        case Not(part):
            test = compile_condition(part, checks)
            return lambda item, names, values: not test(item, names, values)
        case Exists(path, expected):
            return lambda item, names, values: (resolve(path, names) in item) is expected
        case Compare():
            return _comparison(node, checks)
        case Between():
            return _between(node, checks)
        case In(operand, choices):
            return _membership(operand, choices, checks)
        case BeginsWith():
            return _begins_with(node, checks)


def _all(tests: list[Test]) -> Test:
    def test_all(item: Item, names: Names, values: Values) -> bool:
        for test in tests:  # noqa: SIM110 - a generator would cost as much as the tests
            if not test(item, names, values):
                return False
        return True

    return test_all


def _comparison(node: Compare, checks: list[Check]) -> Test:
    left, right = reader(node.left), reader(node.right)
    _require_distinct(node.left, (node.right,), checks)
    if node.operator == "=":
        return lambda item, names, values: (
            (found := left(item, names, values)) is not None and found == right(item, names, values)
        )
    if node.operator == "<>":
        return lambda item, names, values: (
            (found := left(item, names, values)) is None or found != right(item, names, values)
        )
    compare = _ORDER[node.operator]
    _require_ordered((node.left, node.right), checks)

    def test_order(item: Item, names: Names, values: Values) -> bool:
        pair = _pair(left(item, names, values), right(item, names, values))
        return pair is not None and bool(compare(*pair))

    return test_order


def _between(node: Between, checks: list[Check]) -> Test:
    operand, low, high = reader(node.operand), reader(node.low), reader(node.high)
    _require_ordered((node.operand, node.low, node.high), checks)
    if isinstance(node.low, Value) and isinstance(node.high, Value):
        low_name, high_name = node.low.name, node.high.name
        checks.append(lambda names, values: _check_bounds(values[low_name], values[high_name]))

    def test_between(item: Item, names: Names, values: Values) -> bool:
        found = operand(item, names, values)
        above = _pair(low(item, names, values), found)
        below = _pair(found, high(item, names, values))
        return above is not None and below is not None and le(*above) and le(*below)

    return test_between


def _check_bounds(low: Attribute, high: Attribute) -> None:
    pair = _pair(low, high)
    if pair is None:
        raise RequestRejected("the bounds of BETWEEN must have the same type")
    if gt(*pair):
        raise RequestRejected("the upper bound of BETWEEN must not be less than the lower bound")


def _membership(operand: Operand, choices: tuple[Operand, ...], checks: list[Check]) -> Test:
    read, reads = reader(operand), [reader(choice) for choice in choices]
    _require_distinct(operand, choices, checks)

    def test_membership(item: Item, names: Names, values: Values) -> bool:
        found = read(item, names, values)
        return found is not None and any(found == choice(item, names, values) for choice in reads)

    return test_membership


def _begins_with(node: BeginsWith, checks: list[Check]) -> Test:
    operand, prefix = reader(node.operand), reader(node.prefix)
    _require_kinds((node.operand, node.prefix), ("S",), checks)

    def test_prefix(item: Item, names: Names, values: Values) -> bool:
        found, start = operand(item, names, values), prefix(item, names, values)
        if found is None or start is None or "S" not in found or "S" not in start:
            return False
        return bool(found["S"].startswith(start["S"]))

    return test_prefix


def _require_ordered(operands: tuple[Operand, ...], checks: list[Check]) -> None:
    _require_kinds(operands, ("N", "S"), checks)


def _require_kinds(operands: tuple[Operand, ...], kinds: tuple[str, ...], checks: list[Check]) -> None:
    literals = tuple(operand.name for operand in operands if isinstance(operand, Value))

    def check_kinds(names: Names, values: Values) -> None:
        for literal in literals:
            if not any(kind in values[literal] for kind in kinds):
                raise RequestRejected(f"incorrect operand type: {values[literal]}")

    if literals:
        checks.append(check_kinds)


def _require_distinct(first: Operand, others: tuple[Operand, ...], checks: list[Check]) -> None:
    """DynamoDB refuses `a = a`, whichever names the attribute goes by."""
    paths = [operand for operand in others if isinstance(operand, Path)]

    def check_distinct(names: Names, values: Values) -> None:
        if isinstance(first, Path) and any(resolve(path, names) == resolve(first, names) for path in paths):
            raise RequestRejected("the first operand must be distinct from the remaining operands")

    if isinstance(first, Path) and paths:
        checks.append(check_distinct)
