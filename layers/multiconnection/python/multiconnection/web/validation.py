"""Pydantic's errors as the one error of an answer, and the building blocks of request bodies."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema, ErrorDetails, PydanticCustomError, core_schema

from multiconnection.errors import ParameterMissing, RequestInvalid

PATH_CHARS_MAX = 256
# Pydantic puts the branch of a union into the location; branches that are classes or lists are no identifiers.
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
    """The first error; of a union's branches, the one that came furthest into the value.

    `param` is the path as OpenAI writes it. `first_item` is the index of the first item where only a slice of a list
    was validated. The number of errors does not grow with the body: lists fail at their first wrong item and maps are
    bounded.
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
    """The error of a list that is only too long or too short: the errors of other branches do not matter then."""
    return [error for error in errors if error["type"] in _SIZES and len(_place(error["loc"])) == depth][:1]


def _place(location: Iterable[Any]) -> Place:
    """Drops union branches and keys that are no identifiers."""
    return tuple(step for step in location if isinstance(step, int) or (step.isidentifier() and step not in _BRANCHES))


def _either(wanted: list[str]) -> str:
    return " or ".join(dict.fromkeys(wanted))


# Every list and map has a maximum, and validation of a list ends at its first wrong item, so that a body of a million
# wrong items costs one error. A test walks all schemas.
MEMBERS_MAX = 1024


def items(most: int, least: int = 0) -> Any:
    """A list field with `least` to `most` items; validation ends at the first wrong one."""
    return Field(min_length=least, max_length=most, fail_fast=True)


@dataclass(frozen=True, slots=True)
class Members:
    """Annotates a map with at most `most` members, counted before any of them is validated."""

    most: int = MEMBERS_MAX

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema: Any = {**handler(source), "max_length": self.most}
        return core_schema.no_info_before_validator_function(self._counted, schema)

    def _counted(self, value: object) -> object:
        if isinstance(value, dict) and len(value) > self.most:
            raise PydanticCustomError("too_long", "Object should have at most {most} members", {"most": self.most})
        return value


Object = Annotated[dict[str, Any], Members()]


class Open(BaseModel):
    """Strict about the types of known fields; ignores unknown ones."""

    model_config = ConfigDict(strict=True, extra="ignore")


# Zero-width joiners between two letters are spelling (Persian, Hindi) or part of an emoji.
_JOINERS = re.compile(r"(?<=[^\s\u200c\u200d])[\u200c\u200d](?=[^\s\u200c\u200d])")
_BREAKS = re.compile(r"\r\n?")


def plain_text(value: str) -> str:
    """Normalizes line breaks of a note or reason, which administrators read before they decide about money.

    Raises ValueError for characters that are invisible or change how other text is displayed.
    """
    text = _BREAKS.sub("\n", value)
    if not all(map(_is_plain, _JOINERS.sub("", text))):
        raise ValueError("only printable characters and line breaks may be in it")
    return text


def _is_plain(char: str) -> bool:
    """Excludes controls, formats, surrogates, private and unassigned characters, line and paragraph separators."""
    category = unicodedata.category(char)
    return char == "\n" or not (category.startswith("C") or category in ("Zl", "Zp"))


TEXT_CHARS_MAX = 500
Text = Annotated[str, Field(max_length=TEXT_CHARS_MAX), AfterValidator(plain_text)]


class StrictBody(BaseModel):
    """A body whose members all count: a misspelt one must not pass as one that was left out."""

    model_config = ConfigDict(strict=True, extra="forbid")


class ReasonBody(StrictBody):
    """The reason of a decision, for others to read."""

    reason: Annotated[Text, Field(min_length=1)]


class MaybeReasonBody(StrictBody):
    """A reason that may be left out."""

    reason: Text = ""


TOKEN_MAX = 10**7
# Tokens of one text; more than any context window has.
TOKENS_MAX = 2**20
Name = Annotated[str, Field(min_length=1, max_length=256)]
Token = Annotated[int, Field(ge=0, le=TOKEN_MAX)]
TokenIds = Annotated[list[Token], items(TOKENS_MAX, least=1)]
