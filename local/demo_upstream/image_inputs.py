"""The pictures that an edit starts from: files of a form, data URLs, or URLs to fetch."""

import asyncio
import binascii
from base64 import b64decode
from typing import Any

from local.demo_upstream.ask import BadRequest
from local.demo_upstream.call import Call
from local.demo_upstream.fields import missing
from local.demo_upstream.pictures import NoPicture, check_picture

PICTURES_MAX = 16
FETCH_TIMEOUT_S = 10.0
FETCH_BYTES_MAX = 50_000_000


async def input_pictures(call: Call) -> list[bytes]:
    """The pictures and the mask after them, each checked to be one; raises BadRequest."""
    found = await _given(call)
    if len(found) > PICTURES_MAX + 1:
        raise BadRequest(f"Invalid 'image': at most {PICTURES_MAX} images.", "image", "array_above_max_length")
    for data in found:
        try:
            await asyncio.to_thread(check_picture, data)
        except NoPicture as exc:
            raise BadRequest("Invalid image file or mode.", "image", "invalid_image_file") from exc
    return found


async def _given(call: Call) -> list[bytes]:
    files = call.files.get("image", [])
    if files:
        return [one.data for one in (*files, *call.files.get("mask", []))]
    images = call.fields.get("images")
    if not isinstance(images, list) or not images:
        raise missing("image")
    mask = call.fields.get("mask")
    return [await _read(one) for one in (*images, *([] if mask is None else [mask]))]


async def _read(reference: Any) -> bytes:
    url = reference.get("image_url") if isinstance(reference, dict) else None
    if not isinstance(url, str):
        raise BadRequest("Invalid 'images': expected objects with an image_url.", "images", "invalid_type")
    if not url.startswith("data:"):
        return await _fetched(url)
    try:
        return b64decode(url.partition(",")[2], validate=True)
    except binascii.Error as exc:
        raise BadRequest("Invalid 'images': not base64.", "images", "invalid_base64") from exc


async def _fetched(url: str) -> bytes:
    import httpx

    data = bytearray()
    try:
        async with httpx.AsyncClient(timeout=FETCH_TIMEOUT_S, trust_env=False) as client:
            async with client.stream("GET", url) as answer:
                answer.raise_for_status()
                async for part in answer.aiter_bytes():
                    data += part
                    if len(data) > FETCH_BYTES_MAX:
                        raise BadRequest("The image is too large.", "images", "invalid_image_url")
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        raise BadRequest("Error while downloading the image.", "images", "invalid_image_url") from exc
    return bytes(data)
