"""Request bodies: bounded JSON and forms, read and validated, with our errors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from multiconnection.config import Settings
from multiconnection.errors import MediaTypeUnsupported, RequestInvalid, RequestTooLarge
from multiconnection.turns import give_way

from .json_bounds import NESTED_TOO_DEEPLY, is_nested_too_deeply, may_be_nested_too_deeply, tree_is_too_large
from .validation import invalid, path_of

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

SchemaT = TypeVar("SchemaT", bound=BaseModel)
# Reading less than this takes a few milliseconds whatever is in it; between the stages of more, others have their turn.
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
    raw = await _read(request, bytes_max or body_bytes_max(request))
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
    """The member of an object in which it is too deep."""
    if not isinstance(body, dict):
        return None
    return next((path_of((name,)) for name, value in body.items() if is_nested_too_deeply([value])), None)


async def _read(request: Request, bytes_max: int) -> bytes:
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > bytes_max:
        raise too_large(bytes_max)
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > bytes_max:
            raise too_large(bytes_max)
        chunks.append(chunk)
    return b"".join(chunks)


def too_large(bytes_max: int) -> RequestTooLarge:
    return RequestTooLarge(
        f"The request body is larger than {bytes_max} bytes. Upload large inputs with POST /v1/uploads "
        "and refer to them in the request."
    )


# Reading a multipart/form-data body, bounded, with our errors.

__all__ = ["Form", "FormFile", "read_form"]
FORM_DATA = "multipart/form-data"
# RFC 2046: 70 characters; some clients are more generous.
BOUNDARY_CHARS_MAX = 200


# A form with files, as use cases see it: what a client sent as multipart/form-data.


@dataclass(frozen=True, slots=True)
class FormFile:
    """One file; name and type are the client's words and prove nothing about the data."""

    filename: str
    content_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Form:
    """Texts and files by field name, in the order they came.

    A field that was sent as `name[]` is found under `name`, and `arrays` tells that it was: some providers care.
    """

    fields: Mapping[str, list[str]] = field(default_factory=dict)
    files: Mapping[str, list[FormFile]] = field(default_factory=dict)
    arrays: frozenset[str] = frozenset()

    def text(self, name: str) -> str | None:
        """The last text under this name: who sends a field twice means the later one."""
        values = self.fields.get(name)
        return values[-1] if values else None


async def read_form(request: Request, bytes_max: int | None = None) -> Form:
    """The whole form, in memory. Raises MediaTypeUnsupported, RequestTooLarge or RequestInvalid.

    Parts may come in any order, so nothing can be decided before the last one.
    """
    parts = FormParts(_boundary(request))
    bytes_max = bytes_max or body_bytes_max(request)
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > bytes_max:
        raise too_large(bytes_max)
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > bytes_max:
            raise too_large(bytes_max)
        parts.feed(chunk)
    return parts.form()


def _boundary(request: Request) -> bytes:
    content_type = request.headers.get("content-type", "")
    media_type, _, rest = content_type.partition(";")
    if media_type.strip().lower() != FORM_DATA:
        raise MediaTypeUnsupported(f"Send the body as `{FORM_DATA}`, not as {media_type[:80]!r}.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise MediaTypeUnsupported("Send the body without a content-encoding.")
    boundary = _parameter(rest, "boundary")
    if not 0 < len(boundary) <= BOUNDARY_CHARS_MAX:
        raise RequestInvalid(f"The Content-Type `{FORM_DATA}` has no usable boundary; let your HTTP client set it.")
    return boundary.encode("latin-1", "replace")


def _parameter(parameters: str, name: str) -> str:
    """A boundary may stand in quotes and has no semicolon in it."""
    for parameter in parameters.split(";"):
        found, _, value = parameter.partition("=")
        if found.strip().lower() == name:
            return value.strip().strip('"')
    return ""


# The parts of a multipart body, put together from what the parser calls out.

# Sixteen pictures, a mask and every option there is fit several times.
PARTS_MAX = 128
TEXT_BYTES_MAX = 1024 * 1024
NAME_CHARS_MAX = 256
FILENAME_CHARS_MAX = 255
HEADER_BYTES_MAX = 4096
ARRAY = "[]"
OCTETS = "application/octet-stream"


class FormParts:
    """Feed it the body in pieces of any size, then ask for the form."""

    def __init__(self, boundary: bytes) -> None:
        self._fields: dict[str, list[str]] = {}
        self._files: dict[str, list[FormFile]] = {}
        self._arrays: set[str] = set()
        self._header: tuple[bytearray, bytearray] = (bytearray(), bytearray())
        self._headers: dict[str, bytes] = {}
        self._name = ""
        self._filename: str | None = None
        self._data: list[bytes] = []
        self._size = 0
        self._count = 0
        self._ended = False
        self._parser = MultipartParser(boundary, self._callbacks(), max_header_size=HEADER_BYTES_MAX)

    def feed(self, chunk: bytes) -> None:
        """Raises RequestInvalid."""
        try:
            self._parser.write(chunk)
        except FormParserError as exc:
            raise _malformed("its parts cannot be told apart") from exc

    def form(self) -> Form:
        """After the last piece. Raises RequestInvalid when the end of the form is missing."""
        if not self._ended:
            raise _malformed("it ends before its last boundary")
        return Form(self._fields, self._files, frozenset(self._arrays))

    def _callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._on_part_begin,
            "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": self._on_part_data,
            "on_part_end": self._on_part_end,
            "on_end": self._on_end,
        }

    def _on_part_begin(self) -> None:
        self._count += 1
        if self._count > PARTS_MAX:
            raise RequestInvalid(f"The form has more than {PARTS_MAX} parts.")
        self._headers, self._data, self._size = {}, [], 0

    def _on_header_end(self) -> None:
        name, value = self._header
        self._headers[name.decode("latin-1").lower()] = bytes(value)
        self._header = (bytearray(), bytearray())

    def _on_headers_finished(self) -> None:
        disposition = self._headers.get("content-disposition", b"")
        _, options = parse_options_header(disposition)
        name, filename = options.get(b"name"), options.get(b"filename")
        if filename is None and b"filename*=" in disposition.lower():
            filename = b""  # old clients write it so and not otherwise; what it says matters to nobody
        if not name:
            raise _malformed("a part has no name")
        self._name = _text(name)
        if len(self._name) > NAME_CHARS_MAX:
            raise RequestInvalid(f"The name of a form field has at most {NAME_CHARS_MAX} characters.")
        self._filename = None if filename is None else _text(filename)[:FILENAME_CHARS_MAX]

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._size += end - start
        if self._filename is None and self._size > TEXT_BYTES_MAX:
            raise RequestInvalid(f"A text in a form has at most {TEXT_BYTES_MAX} bytes.", param=self._plain_name())
        self._data.append(data[start:end])

    def _on_part_end(self) -> None:
        name, data = self._plain_name(), b"".join(self._data)
        if name != self._name:
            self._arrays.add(name)
        self._data = []
        if self._filename is None:
            self._fields.setdefault(name, []).append(self._decoded(data))
        else:
            declared = self._headers.get("content-type", b"").decode("latin-1").strip() or OCTETS
            self._files.setdefault(name, []).append(FormFile(self._filename, declared, data))

    def _on_end(self) -> None:
        self._ended = True

    def _plain_name(self) -> str:
        return self._name.removesuffix(ARRAY) or self._name

    def _decoded(self, data: bytes) -> str:
        try:
            return data.decode()
        except UnicodeDecodeError as exc:
            raise RequestInvalid(f"'{self._plain_name()}' is not UTF-8 text.", param=self._plain_name()) from exc


def _text(raw: bytes) -> str:
    """Names are UTF-8 (HTML 5), and some old clients' Latin-1."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _malformed(why: str) -> RequestInvalid:
    return RequestInvalid(f"We could not parse the multipart form of your request: {why}.")
