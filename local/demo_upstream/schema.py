"""The smallest value that a simple JSON schema admits; it fills JSON answers and tool arguments."""

from typing import Any

# Deep enough for real schemas; a recursive one ends here in nulls.
DEPTH_MAX = 8


def instance(schema: object, root: object = None, depth: int = 0) -> Any:
    """A value for `schema`: const, enum, $ref into the root, anyOf/oneOf/allOf, and the plain types."""
    if not isinstance(schema, dict) or depth > DEPTH_MAX:
        return {} if depth == 0 else None
    root = schema if root is None else root
    if "const" in schema:
        return schema["const"]
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return schema["enum"][0]
    if isinstance(schema.get("$ref"), str):
        return instance(_resolved(schema["$ref"], root), root, depth + 1)
    for union in ("anyOf", "oneOf", "allOf"):
        if isinstance(schema.get(union), list) and schema[union]:
            return instance(schema[union][0], root, depth + 1)
    return _typed(schema, root, depth)


def _typed(schema: dict[str, Any], root: object, depth: int) -> Any:
    kind = _kind(schema)
    if kind == "object":
        fields = schema.get("properties")
        return {name: instance(field, root, depth + 1) for name, field in fields.items()} if fields else {}
    if kind == "array":
        return [instance(schema["items"], root, depth + 1)] if isinstance(schema.get("items"), dict) else []
    if kind in ("integer", "number"):
        return _least(schema, 1 if kind == "integer" else 1.5)
    return {"string": "demo", "boolean": True}.get(kind)


def _kind(schema: dict[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if kind is None:
        kind = "object" if "properties" in schema else "string"
    return str(kind)


def _least(schema: dict[str, Any], value: float) -> float:
    least = schema.get("minimum")
    return least if isinstance(least, int | float) and least > value else value


def _resolved(reference: str, root: object) -> object:
    found = root
    for name in reference.removeprefix("#").split("/"):
        if name:
            found = found.get(name) if isinstance(found, dict) else None
    return found
