"""Describing routes for the OpenAPI document, which `tools/openapi.py` generates from them.

A route names its answer as its return type (an `AnswerModel`), its body with `takes`, its refusals with `refuses` and
answers of other media with `answers`.
Nothing here runs while a request is served.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

JSON = "application/json"
FORM = "multipart/form-data"
EVENTS = "text/event-stream"

Cost = Annotated[float, Field(ge=0, description="What the call is charged in USD: a number with its exact digits")]
Money = Annotated[str, Field(pattern=r"^-?\d+(\.\d{1,9})?$", description="A decimal string in USD")]
Time = Annotated[int, Field(description="Epoch seconds")]
MODELS: dict[str, type[BaseModel]] = {}
"""The models that routes name in `takes` and `answers`, of all that have been imported, by name in the document."""
PAID = (402, 404, 502, 504)
"""The refusals of every paid endpoint: no money, no such model, and a provider that fails or is too slow."""


class AnswerModel(BaseModel):
    """An answer on the wire. Its schema is built at the first use: a function starts without those it never sends."""

    model_config = ConfigDict(defer_build=True)


class ErrorObject(AnswerModel):
    message: str
    type: str
    param: str | None
    code: str | None
    reason: str | None = None


class Error(AnswerModel):
    """Every refusal and failure, with OpenAI's members."""

    error: ErrorObject


T = TypeVar("T", bound=BaseModel)


class Page(AnswerModel, Generic[T]):
    """A list; `next_cursor` is null on the last page."""

    object: Literal["list"] = "list"
    data: list[T]
    next_cursor: str | None = None


def takes(
    schema: type[BaseModel], media: str = JSON, *, required: bool = True, as_json: type[BaseModel] | None = None
) -> dict[str, Any]:
    """`openapi_extra` of a route that reads its body itself; `as_json` is for a form that may be sent as JSON too."""
    content = {media: schema} if as_json is None else {media: schema, JSON: as_json}
    MODELS.update((each.__name__, each) for each in content.values())
    return {
        "requestBody": {
            "required": required,
            "content": {each: {"schema": reference(body.__name__)} for each, body in content.items()},
        }
    }


def refuses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses` of a route: its own refusals, besides those that all routes of its audience have in common."""
    content = {JSON: {"schema": reference(Error.__name__)}}
    return {status: {"description": "Refused or failed", "content": content} for status in statuses}


def answers(media: Mapping[str, type[BaseModel] | None]) -> dict[int | str, dict[str, Any]]:
    """`responses` of a route that may answer in other media than JSON: events of a model, or text or bytes of none."""
    MODELS.update((each.__name__, each) for each in media.values() if each is not None)
    schemas = {each: reference(model.__name__) if model else _plain(each) for each, model in media.items()}
    return {200: {"content": {each: {"schema": schema} for each, schema in schemas.items()}}}


def reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _plain(media: str) -> dict[str, str]:
    return {"type": "string"} if media.startswith("text/") else {"type": "string", "format": "binary"}
