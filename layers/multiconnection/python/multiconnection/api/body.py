"""Reading a JSON request body, bounded, with our errors."""

import orjson
from fastapi import Request

from multiconnection.domain.errors import MediaTypeUnsupported, RequestInvalid, RequestTooLarge


async def read_json(request: Request, bytes_max: int) -> object:
    """Raises RequestTooLarge, MediaTypeUnsupported or RequestInvalid."""
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise MediaTypeUnsupported(
            f"Send the body as JSON with `Content-Type: application/json`, not as {media_type[:80]!r}."
        )
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise MediaTypeUnsupported("Send the body without a content-encoding.")
    raw = await _read(request, bytes_max)
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as exc:
        raise RequestInvalid(f"We could not parse the JSON body of your request: {exc}.") from exc


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
