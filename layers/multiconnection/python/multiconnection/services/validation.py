"""What pydantic found wrong with a body, as the one error a caller gets: `param` is the path as OpenAI writes it."""

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from multiconnection.domain.errors import ParameterMissing, RequestInvalid

PATH_CHARS_MAX = 256
# pydantic puts the branch of a union into the location; a branch that is a class or a list is no identifier.
_BRANCHES = frozenset({"str", "int", "float", "bool", "Part", "ModerationPart"})
_WANTED = {
    "string_type": "a string",
    "int_type": "an integer",
    "float_type": "a number",
    "bool_type": "a boolean",
    "list_type": "an array",
    "dict_type": "an object",
    "model_type": "an object",
}

_SIZES = frozenset({"too_long", "too_short"})

Place = tuple[int | str, ...]


def invalid(exc: ValidationError, first_item: int = 0) -> RequestInvalid:
    """The first thing wrong; of a union's branches, the one that came furthest into the value.

    `first_item` is the place of the first item in a list of which only a part was validated. There are few errors, and
    their number does not grow with the body: lists fail at their first wrong item, maps are small (`schemas.open`).
    """
    errors = exc.errors(include_url=False, include_context=False, include_input=False)
    first = _place(errors[0]["loc"])
    below = [error for error in errors if _place(error["loc"])[: len(first)] == first]
    depth = max(len(_place(error["loc"])) for error in below)
    deepest = [error for error in below if len(_place(error["loc"])) == depth]
    deepest = _of_wrong_size(below, len(first)) or [one for one in deepest if one["type"] not in _WANTED] or deepest
    where = path_of(_moved(_place(deepest[0]["loc"]), first_item))
    if deepest[0]["type"] == "missing":
        return ParameterMissing(f"Missing required parameter: '{where}'.", param=where)
    wanted = [_WANTED[error["type"]] for error in deepest if error["type"] in _WANTED]
    if len(wanted) == len(deepest):
        return RequestInvalid(f"Invalid type for '{where}': expected {_either(wanted)}.", param=where)
    return RequestInvalid(f"Invalid value for '{where}': {deepest[0]['msg']}.", param=where)


def path_of(place: Place) -> str:
    """("messages", 0, "role") → "messages[0].role"."""
    path = ""
    for step in place:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path[:PATH_CHARS_MAX]


def _moved(place: Place, by: int) -> Place:
    """("messages", 3, "role") → ("messages", 1003, "role")."""
    if by and len(place) > 1 and isinstance(place[1], int):
        return (place[0], place[1] + by, *place[2:])
    return place


def _of_wrong_size(errors: Sequence[ErrorDetails], depth: int) -> list[ErrorDetails]:
    """A list of the right kind that is only too long or empty: what its other branches miss tells nothing."""
    return [error for error in errors if error["type"] in _SIZES and len(_place(error["loc"])) == depth][:1]


def _place(location: Iterable[Any]) -> Place:
    """Without union branches, and without keys that are no names."""
    return tuple(step for step in location if isinstance(step, int) or (step.isidentifier() and step not in _BRANCHES))


def _either(wanted: list[str]) -> str:
    return " or ".join(dict.fromkeys(wanted))
