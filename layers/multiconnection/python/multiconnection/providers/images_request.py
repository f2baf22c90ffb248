"""Image requests as an OpenAI-compatible provider wants them: JSON, or a form where there are files."""

import secrets
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any

from multiconnection.domain.errors import RequestInvalid
from multiconnection.domain.parameters import EDITS as EDIT_FIELDS
from multiconnection.domain.parameters import GENERATIONS as GENERATION_FIELDS
from multiconnection.domain.provider import Provider
from multiconnection.services.images_ports import ImageCall, Picture, PictureData, PictureUrl
from multiconnection.services.ports import UpstreamError

from .exchange import EVENTS, JSON, Outgoing
from .wire_json import encode

GENERATIONS = "/images/generations"
EDITS = "/images/edits"
_ENDINGS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}
# HTML 5: what would end a name, or the line that it is in.
_ESCAPES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})


def outgoing(provider: Provider, call: ImageCall) -> Outgoing:
    """Raises UpstreamError for what cannot be written."""
    fields = _fields(provider, call)
    accept = EVENTS if call.stream else JSON
    try:
        if not call.edit:
            return Outgoing(GENERATIONS, encode(fields), accept=accept)
        if any(isinstance(picture, PictureUrl) for picture in (*call.pictures, call.mask, call.markup)):
            return Outgoing(EDITS, encode(fields | _references(call)), accept=accept)
        boundary = secrets.token_hex(16)
        content_type = f"multipart/form-data; boundary={boundary}"
        return Outgoing(EDITS, _form(call, fields, boundary), content_type, accept)
    except ValueError as exc:
        error = RequestInvalid("The request body is nested too deeply.")
        raise UpstreamError(error, retry_elsewhere=False) from exc


def _fields(provider: Provider, call: ImageCall) -> dict[str, Any]:
    """Models that are priced by tokens know no `response_format`; the others would answer with links by default."""
    judged = provider.parameters.forwarded(EDIT_FIELDS if call.edit else GENERATION_FIELDS, call.fields)
    fields = {**judged, "model": call.upstream_model}
    return fields if call.tariff.by_tokens else fields | {"response_format": "b64_json"}


def _references(call: ImageCall) -> dict[str, Any]:
    """A form has no room for links; JSON has room for files."""
    over = {name: {"image_url": _url(picture)} for name, picture in _over(call)}
    return {"images": [{"image_url": _url(picture)} for picture in call.pictures], **over}


def _over(call: ImageCall) -> list[tuple[str, Picture]]:
    """What lies over the first picture."""
    named = (("mask", call.mask), ("markup", call.markup))
    return [(name, picture) for name, picture in named if picture is not None]


def _url(picture: Picture) -> str:
    if isinstance(picture, PictureUrl):
        return picture.url
    return f"data:{picture.content_type};base64,{b64encode(picture.data).decode()}"


def _form(call: ImageCall, fields: Mapping[str, Any], boundary: str) -> bytes:
    delimiter = f"--{boundary}\r\n".encode()
    parts: list[bytes] = []
    for header, data in _parts(call, fields):
        parts += [delimiter, b"content-disposition: form-data; ", header.encode(), b"\r\n\r\n", data, b"\r\n"]
    return b"".join([*parts, f"--{boundary}--\r\n".encode()])


def _parts(call: ImageCall, fields: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    """What follows the disposition's type, and the part's body. Several pictures are `image[]`, one is `image`."""
    for name, value in fields.items():
        if isinstance(value, list):
            yield from ((_named(f"{name}[]"), _text(one)) for one in value)
        else:
            yield _named(name), _text(value)
    array = "[]" if len(call.pictures) > 1 else ""
    for at, picture in enumerate(call.pictures):
        yield from _file(f"image{array}", f"image-{at}", picture)
    for name, picture in _over(call):
        yield from _file(name, name, picture)


def _file(name: str, filename: str, picture: Picture) -> Iterator[tuple[str, bytes]]:
    if isinstance(picture, PictureData):
        ending = _ENDINGS.get(picture.content_type, "bin")
        yield f'{_named(name)}; filename="{filename}.{ending}"\r\ncontent-type: {picture.content_type}', picture.data


def _named(name: str) -> str:
    return f'name="{name.translate(_ESCAPES)}"'


def _text(value: object) -> bytes:
    """Texts as they are, everything else as JSON writes it: `true`, `3`, `{"a":1}`."""
    return value.encode("utf-8", "replace") if isinstance(value, str) else encode(value)
