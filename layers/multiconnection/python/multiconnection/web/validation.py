"""What pydantic found wrong with a body, as the one error a caller gets: `param` is the path as OpenAI writes it."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema, ErrorDetails, PydanticCustomError, core_schema

from multiconnection.errors import ParameterMissing, RequestInvalid

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


# What all wire types have in common.
# Every list and map has a maximum, and a list is looked at up to its first wrong item: a body of a million wrong
# items costs one error, not a million of them (a test walks all schemas).

MEMBERS_MAX = 1024


def items(most: int, least: int = 0) -> Any:
    """The field of a list with so many items; validation ends at the first that is wrong."""
    return Field(min_length=least, max_length=most, fail_fast=True)


@dataclass(frozen=True, slots=True)
class Members:
    """Annotates a map that has so many members at most; they are counted before any of them is validated."""

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
    """Strict about the types of known fields, silent about unknown ones."""

    model_config = ConfigDict(strict=True, extra="ignore")


# Text that people write for people: notes and reasons, which others read before they decide about money.

# Between two letters they are spelling (Persian, Hindi) or part of an emoji.
_JOINERS = re.compile(r"(?<=[^\s\u200c\u200d])[\u200c\u200d](?=[^\s\u200c\u200d])")
_BREAKS = re.compile(r"\r\n?")


def plain_text(value: str) -> str:
    """With line breaks in one form; a ValueError for what does not show, or makes other text show as what it is not."""
    text = _BREAKS.sub("\n", value)
    if not all(map(_is_plain, _JOINERS.sub("", text))):
        raise ValueError("only printable characters and line breaks may be in it")
    return text


def _is_plain(char: str) -> bool:
    """No controls, formats, surrogates, private or unassigned characters, and no separators of lines or paragraphs."""
    category = unicodedata.category(char)
    return char == "\n" or not (category.startswith("C") or category in ("Zl", "Zp"))


# Bodies of the administrators' API. Strict: a misspelt member must not pass as one that was left out.

TEXT_CHARS_MAX = 500
Text = Annotated[str, Field(max_length=TEXT_CHARS_MAX), AfterValidator(plain_text)]


class AdminBody(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class ReasonBody(AdminBody):
    reason: Annotated[Text, Field(min_length=1)]


class MaybeReasonBody(AdminBody):
    reason: Text = ""


TOKEN_MAX = 10**7
# Of one text; more than any context window has.
TOKENS_MAX = 2**20
Name = Annotated[str, Field(min_length=1, max_length=256)]
Token = Annotated[int, Field(ge=0, le=TOKEN_MAX)]
TokenIds = Annotated[list[Token], items(TOKENS_MAX, least=1)]
