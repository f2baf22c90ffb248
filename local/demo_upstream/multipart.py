"""Reads multipart/form-data: fields and files, in any order."""

from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesHeaderParser
from typing import Any

from local.demo_upstream.ask import BadRequest

PARTS_MAX = 200
_HEADERS = BytesHeaderParser()


@dataclass(frozen=True, slots=True)
class Upload:
    """One file of a form."""

    name: str
    kind: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Form:
    """Texts and files by name; what came as `name[]` is a list under `name`."""

    fields: dict[str, Any] = field(default_factory=dict)
    files: dict[str, list[Upload]] = field(default_factory=dict)

    def add(self, name: str, part: Upload | str) -> None:
        """Keeps a part under its name."""
        plain = name.removesuffix("[]")
        if isinstance(part, Upload):
            self.files.setdefault(plain, []).append(part)
        elif plain != name:
            self.fields.setdefault(plain, []).append(part)
        else:
            self.fields[name] = part


def parse_form(content_type: str, body: bytes) -> Form:
    """Raises BadRequest for a body that is not such a form."""
    boundary = _parameter("content-type", content_type, "boundary")
    if not boundary:
        raise BadRequest("Could not parse multipart form: no boundary.")
    _preamble, *parts = (b"\r\n" + body).split(b"\r\n--" + boundary.encode())
    if not parts or not parts.pop().startswith(b"--") or len(parts) > PARTS_MAX:
        raise BadRequest("Could not parse multipart form: no proper end.")
    form = Form()
    for part in parts:
        _read(part, form)
    return form


def _read(part: bytes, form: Form) -> None:
    head, found, data = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    headers = _HEADERS.parsebytes(head)
    name = _text(headers.get_param("name", header="content-disposition"))
    if not found or not name:
        raise BadRequest("Could not parse multipart form: a part has no name.")
    filename = headers.get_filename()
    if filename is not None:
        form.add(name, Upload(filename, headers.get_content_type(), data))
        return
    try:
        form.add(name, data.decode())
    except UnicodeDecodeError as exc:
        raise BadRequest(f"Could not parse multipart form: '{name}' is not text.", name) from exc


def _parameter(header: str, value: str, parameter: str) -> str:
    message = Message()
    message[header] = value
    return _text(message.get_param(parameter, header=header))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
