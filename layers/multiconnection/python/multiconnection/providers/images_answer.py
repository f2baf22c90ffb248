"""A whole image answer read: its images as bytes, those that can be used, and what they cost."""

import binascii
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from multiconnection.domain.provider import Provider
from multiconnection.domain.usage import Ended
from multiconnection.services.images_ports import DrawnImage, ImageCall
from multiconnection.services.images_types import image_type
from multiconnection.services.ports import Outcome

from .images_fetch import PictureFetch, PictureUnreachable, fetched
from .images_usage import delivered_share, read_image_usage
from .usage import outcome_of as usage_outcome

OCTETS = "application/octet-stream"
TOLD = ("background", "output_format", "quality", "size")
TYPES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
_DATA_URL = "data:image/"
_PLACES = frozenset({"b64_json", "url"})


def told_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """What the provider says of all images at once; what has another type is not passed on."""
    told: dict[str, Any] = {name: body[name] for name in TOLD if isinstance(body.get(name), str)}
    created = body.get("created")
    if isinstance(created, int) and not isinstance(created, bool):
        told["created"] = created
    return told


async def drawn_image(
    pictures: PictureFetch, provider: Provider, item: object, told: Mapping[str, Any]
) -> DrawnImage | None:
    """None for an item without an image that anybody could use."""
    if not isinstance(item, dict):
        return None
    data = decoded(item.get("b64_json"))
    if not data and isinstance(item.get("url"), str):
        try:
            data = await fetched(pictures, provider, item["url"])
        except PictureUnreachable:
            return None
    if not data:
        return None
    more = {name: value for name, value in item.items() if name not in _PLACES and value is not None}
    return DrawnImage(data, image_type(data) or TYPES.get(told.get("output_format", ""), OCTETS), more)


def outcome_of(usage: object, told: Mapping[str, Any], delivered: int, made: int, call: ImageCall) -> Outcome:
    """Of `made` images the provider counted, `delivered` are paid for."""
    tariff = call.tariff
    counted, source = tariff.counted(delivered, told)
    reported = read_image_usage(usage, tariff.model) if tariff.by_tokens else None
    if reported is None:
        return Outcome(counted, source, Ended.COMPLETE)
    return usage_outcome(delivered_share(reported, delivered, made), tariff.usage_max(delivered), counted)


def decoded(given: object) -> bytes:
    """The image in a base64 text, b"" for none."""
    if not isinstance(given, str):
        return b""
    if given.startswith(_DATA_URL):
        given = given.partition(",")[2]
    try:
        return b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        return b""
