"""Values in DynamoDB's JSON: checked and normalised on the way in, copied on the way out, measured."""

import re
from collections.abc import Mapping
from decimal import Context, Decimal
from typing import Any

from multiconnection.aws.dynamo import Item, RequestRejected

Attribute = dict[str, Any]
Number = int | Decimal

DIGITS_MAX = 38
# Every integer below this has at most 38 digits.
INTEGERS_END = 10**DIGITS_MAX
# Magnitudes run from 1E-130 to 9.9…E+125: no sum of two numbers needs more digits than this to be exact.
_EXACT = Context(prec=300)
_PLAIN_INTEGER = re.compile(r"-?[1-9][0-9]{0,37}|0").fullmatch
_NUMERIC = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII).fullmatch


def normalise(attribute: Mapping[str, Any]) -> Attribute:
    """A checked copy that shares nothing with the caller's object; equal values become equal dicts."""
    try:
        ((kind, raw),) = attribute.items()
    except (AttributeError, ValueError) as exc:
        raise RequestRejected("a value has exactly one type") from exc
    if kind == "N":
        return {"N": raw if type(raw) is str and _PLAIN_INTEGER(raw) else canonical(raw)}
    if kind == "S":
        return {"S": _of_type(raw, str)}
    if kind == "BOOL":
        return {"BOOL": _of_type(raw, bool)}
    if kind == "NULL":
        return {"NULL": _of_type(raw, bool)}
    if kind == "L":
        return {"L": [normalise(entry) for entry in _of_type(raw, list)]}
    if kind == "M":
        return {"M": {name: normalise(entry) for name, entry in _of_type(raw, dict).items()}}
    raise NotImplementedError(f"values of type {kind}")


def normalise_item(item: Mapping[str, Mapping[str, Any]]) -> Item:
    return {name: normalise(attribute) for name, attribute in item.items()}


def _of_type(raw: Any, expected: type) -> Any:
    if type(raw) is not expected:
        raise RequestRejected(f"not a {expected.__name__}: {raw!r}")
    return raw


def canonical(text: str) -> str:
    """The one text that DynamoDB returns for a number: no leading zeros, exponent or trailing fraction zeros."""
    if type(text) is not str:
        raise RequestRejected(f"a number travels as text: {text!r}")
    if not _NUMERIC(text):
        raise RequestRejected(f"not a number: {text!r}")
    return number_text(Decimal(text))


def number(text: str) -> Number:
    """The value of a normalised number."""
    try:
        return int(text)
    except ValueError:
        return Decimal(text)


def number_text(value: Number) -> str:
    """Raises RequestRejected beyond 38 significant digits or outside of the magnitudes that DynamoDB stores."""
    if type(value) is int and -INTEGERS_END < value < INTEGERS_END:
        return str(value)
    exact = Decimal(value).normalize(_EXACT)
    if not exact:
        return "0"
    if len(exact.as_tuple().digits) > DIGITS_MAX:
        raise RequestRejected(f"more than {DIGITS_MAX} significant digits")
    if not -130 <= exact.adjusted() <= 125:
        raise RequestRejected("the number's magnitude is outside of the supported range")
    return f"{exact:f}"


def add(left: Number, right: Number) -> Number:
    if type(left) is int and type(right) is int:
        return left + right
    return _EXACT.add(Decimal(left), Decimal(right))


def copy_item(item: Mapping[str, Attribute]) -> Item:
    """A deep copy; most attributes are flat, hence the fast path."""
    return {
        name: _deep(attribute) if "L" in attribute or "M" in attribute else attribute.copy()
        for name, attribute in item.items()
    }


def _deep(attribute: Attribute) -> Attribute:
    if "L" in attribute:
        return {"L": [_deep(entry) for entry in attribute["L"]]}
    if "M" in attribute:
        return {"M": {name: _deep(entry) for name, entry in attribute["M"].items()}}
    return attribute.copy()


def text_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def value_bytes(attribute: Attribute) -> int:
    """DynamoDB's documented size of a value; the attribute's name counts besides."""
    for kind, raw in attribute.items():
        if kind == "S":
            return text_bytes(raw)
        if kind == "N":
            return len(raw.strip("-0.")) // 2 + 2
        if kind == "L":
            return 3 + sum(1 + value_bytes(entry) for entry in raw)
        if kind == "M":
            return 3 + sum(1 + text_bytes(name) + value_bytes(entry) for name, entry in raw.items())
    return 1


def bytes_bound(name: str, attribute: Attribute) -> int:
    """No less than the size of the attribute, and much cheaper to know."""
    if "N" in attribute:
        return 4 * len(name) + DIGITS_MAX
    if "S" in attribute:
        return 4 * (len(name) + len(attribute["S"]))
    return 4 * len(name) + value_bytes(attribute)


def item_bytes(item: Mapping[str, Attribute]) -> int:
    return sum(text_bytes(name) + value_bytes(attribute) for name, attribute in item.items())
