"""Writing multipart/form-data as browsers do (RFC 7578): what providers take files in."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

# As HTML 5 has it: nothing of a name can end its header.
_ESCAPES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})


@dataclass(frozen=True, slots=True)
class FilePart:
    """One file under a field's name."""

    name: str
    filename: str
    content_type: str
    data: bytes = field(repr=False)


def form_data(fields: Iterable[tuple[str, str]], files: Iterable[FilePart]) -> tuple[bytes, str]:
    """The body, and its content type with a boundary that nobody can have put into a part beforehand."""
    boundary = f"----MultiConnection{secrets.token_hex(16)}"
    pieces: list[bytes] = []
    for name, text in fields:
        pieces += [_head(boundary, name), b"\r\n\r\n", text.encode("utf-8", "replace"), b"\r\n"]
    for file in files:
        described = f'; filename="{file.filename.translate(_ESCAPES)}"\r\nContent-Type: {file.content_type}\r\n\r\n'
        pieces += [_head(boundary, file.name), described.encode("utf-8", "replace"), file.data, b"\r\n"]
    pieces.append(f"--{boundary}--\r\n".encode())
    return b"".join(pieces), f"multipart/form-data; boundary={boundary}"


def _head(boundary: str, name: str) -> bytes:
    escaped = name.translate(_ESCAPES)
    return f'--{boundary}\r\nContent-Disposition: form-data; name="{escaped}"'.encode("utf-8", "replace")
