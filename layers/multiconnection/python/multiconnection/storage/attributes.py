"""Values to and from DynamoDB's attribute form; numbers are exact ints, never floats or Decimals."""

from collections.abc import Mapping
from typing import Any

Attribute = dict[str, Any]


def text(value: str) -> Attribute:
    return {"S": value}


def number(value: int) -> Attribute:
    """Refuses anything but a real int: bool, float and numeric text never reach a money attribute."""
    if type(value) is not int:
        raise TypeError(f"not an int: {value!r}")
    return {"N": str(value)}


def flag(value: bool) -> Attribute:
    return {"BOOL": value}


def texts(values: tuple[str, ...]) -> Attribute:
    return {"L": [text(value) for value in values]}


def numbers(values: Mapping[str, int]) -> Attribute:
    return {"M": {name: number(value) for name, value in values.items()}}


def read_text(item: Mapping[str, Attribute], name: str, default: str = "") -> str:
    found = item.get(name)
    return str(found["S"]) if found else default


def read_number(item: Mapping[str, Attribute], name: str) -> int:
    """Raises KeyError when absent and ValueError when it is no integer."""
    return int(item[name]["N"])


def read_number_or_none(item: Mapping[str, Attribute], name: str) -> int | None:
    return int(item[name]["N"]) if name in item else None


def read_flag(item: Mapping[str, Attribute], name: str) -> bool:
    return bool(item.get(name, {}).get("BOOL", False))


def read_texts(item: Mapping[str, Attribute], name: str) -> tuple[str, ...]:
    return tuple(entry["S"] for entry in item.get(name, {}).get("L", ()))


def read_numbers(item: Mapping[str, Attribute], name: str) -> dict[str, int]:
    return {key: int(value["N"]) for key, value in item.get(name, {}).get("M", {}).items()}
