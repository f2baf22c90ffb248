"""Reading a multipart/form-data body, bounded, with our errors."""

from starlette.requests import Request

from multiconnection.domain.errors import MediaTypeUnsupported, RequestInvalid
from multiconnection.services.form import Form, FormFile

from .body import too_large
from .form_parts import FormParts

__all__ = ["Form", "FormFile", "read_form"]

FORM_DATA = "multipart/form-data"
# RFC 2046: 70 characters; some clients are more generous.
BOUNDARY_CHARS_MAX = 200


async def read_form(request: Request, bytes_max: int) -> Form:
    """The whole form, in memory. Raises MediaTypeUnsupported, RequestTooLarge or RequestInvalid.

    Parts may come in any order, so nothing can be decided before the last one.
    """
    parts = FormParts(_boundary(request))
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
