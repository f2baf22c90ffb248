"""Grammar of ConditionExpression, FilterExpression and KeyConditionExpression."""

from typing import cast

from multiconnection.aws.dynamo import RequestRejected

from .syntax import And, BeginsWith, Between, Comparator, Compare, Condition, Exists, In, Not, Operand, Or, Path, Size
from .tokens import Cursor

COMPARATORS = ("=", "<>", "<", "<=", ">", ">=")
CHOICES_MAX = 100


def parse_condition(cursor: Cursor) -> Condition:
    condition = _alternatives(cursor)
    cursor.expect_end()
    return condition


def _alternatives(cursor: Cursor) -> Condition:
    parts = [_conjunction(cursor)]
    while cursor.accept_word("OR"):
        parts.append(_conjunction(cursor))
    return parts[0] if len(parts) == 1 else Or(tuple(parts))


def _conjunction(cursor: Cursor) -> Condition:
    parts = [_negation(cursor)]
    while cursor.accept_word("AND"):
        parts.append(_negation(cursor))
    return parts[0] if len(parts) == 1 else And(tuple(parts))


def _negation(cursor: Cursor) -> Condition:
    if cursor.accept_word("NOT"):
        return Not(_negation(cursor))
    if cursor.at_sign("("):
        return _parenthesised(cursor)
    if cursor.at_function() and cursor.token.text != "size":
        return _predicate(cursor)
    return _comparison(cursor)


def _parenthesised(cursor: Cursor) -> Condition:
    if cursor.at_doubled_parentheses():
        raise RequestRejected("the expression has redundant parentheses")
    cursor.expect_sign("(")
    condition = _alternatives(cursor)
    cursor.expect_sign(")")
    return condition


def _predicate(cursor: Cursor) -> Condition:
    function = cursor.take().text
    cursor.expect_sign("(")
    condition: Condition
    if function in ("attribute_exists", "attribute_not_exists"):
        condition = Exists(cursor.path(), function == "attribute_exists")
    elif function == "begins_with":
        operand = _operand(cursor)
        cursor.expect_sign(",")
        condition = BeginsWith(operand, _operand(cursor))
    elif function in ("contains", "attribute_type"):
        raise NotImplementedError(f"{function}()")
    else:
        raise RequestRejected(f"invalid function name: {function}")
    cursor.expect_sign(")")
    return condition


def _comparison(cursor: Cursor) -> Condition:
    left = _operand(cursor)
    if cursor.accept_word("BETWEEN"):
        low = _operand(cursor)
        cursor.expect_word("AND")
        return Between(left, low, _operand(cursor))
    if cursor.accept_word("IN"):
        return In(left, _choices(cursor))
    if not cursor.at_sign(*COMPARATORS):
        raise cursor.error()
    operator = cast(Comparator, cursor.take().text)
    return Compare(operator, left, _operand(cursor))


def _choices(cursor: Cursor) -> tuple[Operand, ...]:
    cursor.expect_sign("(")
    choices = [_operand(cursor)]
    while cursor.accept_sign(","):
        choices.append(_operand(cursor))
    cursor.expect_sign(")")
    if len(choices) > CHOICES_MAX:
        raise RequestRejected(f"IN takes at most {CHOICES_MAX} operands")
    return tuple(choices)


def _operand(cursor: Cursor) -> Operand:
    if cursor.token.kind == "value":
        return cursor.value()
    if cursor.at_function() and cursor.token.text == "size":
        cursor.take()
        cursor.expect_sign("(")
        path: Path = cursor.path()
        cursor.expect_sign(")")
        return Size(path)
    return cursor.path()
