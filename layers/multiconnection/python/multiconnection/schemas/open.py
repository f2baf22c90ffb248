"""What all wire types have in common.

Every list and map has a maximum, and a list is looked at up to its first wrong item: a body of a million wrong items
costs one error, not a million of them (a test walks all schemas).
"""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

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
