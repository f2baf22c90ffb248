"""Request bodies: bounded JSON, read and validated, and long work on it in short steps."""

import asyncio
from collections.abc import AsyncIterator, Generator, Mapping
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from multiconnection.config import Settings
from multiconnection.errors import MediaTypeUnsupported, RequestInvalid, RequestTooLarge

from .json import NESTED_TOO_DEEPLY, is_nested_too_deeply, may_be_nested_too_deeply, tree_is_too_large
from .validation import invalid, path_of

T = TypeVar("T")
SchemaT = TypeVar("SchemaT", bound=BaseModel)
Steps = Generator[None, None, T]
"""A computation that pauses at each `yield` and returns its result."""
# Long enough for several turns of the loop, in which other requests make progress.
PAUSE_S = 0.001
# A shorter body takes a few milliseconds, whatever is in it; between the stages of a longer one other requests run.
SHORT_BYTES = 256 * 1024


async def read_json(request: Request, bytes_max: int | None = None) -> object:
    """The parsed body of at most `bytes_max`, or the function's own maximum.

    Raises RequestTooLarge, MediaTypeUnsupported or RequestInvalid, or Starlette's ClientDisconnect.
    """
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise MediaTypeUnsupported(
            f"Send the body as JSON with `Content-Type: application/json`, not as {media_type[:80]!r}."
        )
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise MediaTypeUnsupported("Send the body without a content-encoding.")
    raw = b"".join([chunk async for chunk in bounded_chunks(request, bytes_max or body_bytes_max(request))])
    if len(raw) <= SHORT_BYTES:
        return _shallow(_parsed(raw), raw)
    if tree_is_too_large(raw):
        raise RequestTooLarge("The JSON body of your request has too many values. Send it in several requests.")
    await give_way()
    value = _parsed(raw)
    await give_way()
    _shallow(value, raw)
    await give_way()
    return value


def json_object(body: object) -> dict[str, Any]:
    """A parsed body that is an object; raises RequestInvalid for anything else."""
    if not isinstance(body, dict):
        raise RequestInvalid("The request body must be a JSON object.")
    return body


def validated(schema: type[SchemaT], body: Mapping[str, Any], first_item: int = 0) -> SchemaT:
    """Raises RequestInvalid and its kinds, with `param` naming the field as OpenAI does.

    `first_item` is the place of the first item in a list of which only a part is validated.
    """
    try:
        return schema.model_validate(body)
    except ValidationError as exc:
        raise invalid(exc, first_item) from exc


def at_once(steps: Steps[T]) -> T:
    """Runs all steps without a pause."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result


async def in_turns(steps: Steps[T]) -> T:
    """Runs the steps with a pause after each; a single step costs no more than calling it."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result
        await give_way()


async def give_way() -> None:
    """Lets other tasks run, between two stages of a long computation."""
    await asyncio.sleep(PAUSE_S)


def body_bytes_max(request: Request) -> int:
    settings: Settings = request.app.state.settings
    return settings.body_bytes_max


def _parsed(raw: bytes) -> object:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as exc:
        raise RequestInvalid(f"We could not parse the JSON body of your request: {exc}.") from exc


def _shallow(value: object, raw: bytes) -> object:
    if may_be_nested_too_deeply(raw) and is_nested_too_deeply(value):
        raise RequestInvalid(f"The JSON of your request is {NESTED_TOO_DEEPLY}.", param=_deep_member(value))
    return value


def _deep_member(body: object) -> str | None:
    """The top-level member that is nested too deeply."""
    if not isinstance(body, dict):
        return None
    return next((path_of((name,)) for name, value in body.items() if is_nested_too_deeply([value])), None)


async def bounded_chunks(request: Request, bytes_max: int) -> AsyncIterator[bytes]:
    """The body as it arrives. Raises RequestTooLarge, or Starlette's ClientDisconnect."""
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > bytes_max:
        raise too_large(bytes_max)
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > bytes_max:
            raise too_large(bytes_max)
        yield chunk


def too_large(bytes_max: int) -> RequestTooLarge:
    return RequestTooLarge(
        f"The request body is larger than {bytes_max} bytes. Upload large inputs with POST /v1/uploads "
        "and refer to them in the request."
    )
