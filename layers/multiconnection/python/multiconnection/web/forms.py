"""Bounded multipart/form-data bodies, held in memory.

Starlette's parser is not used: it takes a form that was cut off for a whole one, reads text that is not UTF-8 as
Latin-1, and writes files to disk in a thread.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from multiconnection.errors import MediaTypeUnsupported, RequestInvalid

from .body import body_bytes_max, bounded_chunks

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FORM_DATA = "multipart/form-data"
# RFC 2046: 70 characters; some clients are more generous.
BOUNDARY_CHARS_MAX = 200
# Sixteen pictures, a mask and every option there is fit several times.
PARTS_MAX = 128
TEXT_BYTES_MAX = 1024 * 1024
NAME_CHARS_MAX = 256
FILENAME_CHARS_MAX = 255
HEADER_BYTES_MAX = 4096
ARRAY = "[]"
OCTETS = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class FormFile:
    """One file; the client chose its name and type, which prove nothing about the data."""

    filename: str
    content_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Form:
    """Texts and files by field name, in the order they were sent.

    A field sent as `name[]` is found under `name`; `arrays` names these fields, as some providers tell them apart.
    """

    fields: Mapping[str, list[str]] = field(default_factory=dict)
    files: Mapping[str, list[FormFile]] = field(default_factory=dict)
    arrays: frozenset[str] = frozenset()

    def text(self, name: str) -> str | None:
        """The last text under this name: a repeated field replaces the earlier one."""
        values = self.fields.get(name)
        return values[-1] if values else None


async def read_form(request: Request, bytes_max: int | None = None) -> Form:
    """The whole form, in memory. Raises MediaTypeUnsupported, RequestTooLarge or RequestInvalid.

    Parts may come in any order, so nothing can be decided before the last one.
    """
    parts = FormParts(_boundary(request))
    async for chunk in bounded_chunks(request, bytes_max or body_bytes_max(request)):
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


class FormParts:
    """Collects the parts of a body that is fed in pieces of any size."""

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
            filename = b""  # RFC 5987; the parser ignores it, and only its presence matters
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
