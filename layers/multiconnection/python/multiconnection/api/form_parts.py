"""The parts of a multipart body, put together from what the parser calls out."""

from typing import TYPE_CHECKING

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from multiconnection.domain.errors import RequestInvalid
from multiconnection.services.form import Form, FormFile

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

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
