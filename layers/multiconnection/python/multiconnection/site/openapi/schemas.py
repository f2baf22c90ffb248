"""Schemas of the document in a short notation, which `expanded` turns into JSON Schema.

"str", "int", "num", "bool", "money" (a decimal string in USD), "time" (epoch seconds), "any"; "?" at the end allows
null; "[x]" is an array of x; a name with a capital is another schema. A field whose name ends in "*" is required.
"""

from collections.abc import Mapping
from typing import Any

from .schemas_account import ACCOUNT_SCHEMAS

Fields = Mapping[str, str]
_SCALARS: Mapping[str, dict[str, Any]] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "num": {"type": "number"},
    "bool": {"type": "boolean"},
    "money": {"type": "string", "pattern": r"^-?\d+(\.\d{1,9})?$", "description": "A decimal string in USD"},
    "time": {"type": "integer", "description": "Epoch seconds"},
    "file": {"type": "string", "format": "binary"},
    "map": {"type": "object", "additionalProperties": True},
    "any": {},
}
ALL: Mapping[str, Fields] = ACCOUNT_SCHEMAS


def expanded(fields: Fields) -> dict[str, Any]:
    """An object schema; unknown members are allowed, as the gateway passes them through."""
    return {
        "type": "object",
        "properties": {name.rstrip("*"): _schema(notation) for name, notation in fields.items()},
        "required": [name.rstrip("*") for name in fields if name.endswith("*")],
        "additionalProperties": True,
    }


def _schema(notation: str) -> dict[str, Any]:
    if notation.endswith("?"):
        return {"anyOf": [_schema(notation[:-1]), {"type": "null"}]}
    if notation.startswith("["):
        return {"type": "array", "items": _schema(notation[1:-1])}
    if "|" in notation:
        return {"type": "string", "enum": notation.split("|")}
    return dict(_SCALARS[notation]) if notation in _SCALARS else {"$ref": f"#/components/schemas/{notation}"}
