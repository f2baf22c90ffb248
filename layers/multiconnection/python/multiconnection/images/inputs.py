"""The pictures that an edit starts from (files of a form, data URLs, uploads, URLs), and a form as a JSON body."""

import asyncio
import binascii
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from multiconnection.errors import ParameterMissing, ParameterUnsupported, RequestInvalid, RequestTooLarge
from multiconnection.uploads.service import IMAGES, REFERENCE_PREFIX, UploadService
from multiconnection.web.body import validated
from multiconnection.web.forms import Form

from .request import Picture, PictureData, PictureUrl, image_type
from .schemas import ImageEditReferences, ImageReference

PICTURES_MAX = 16
BYTES_MAX = 50 * 1024 * 1024
URL_CHARACTERS_MAX = 8192
EDITABLE = ("image/png", "image/jpeg", "image/webp")
FILES = ("image", "mask", "markup")
_DATA = "data:"
_BASE64 = ";base64"
_INTEGERS = ("n", "output_compression", "partial_images")
_FLAGS = ("stream",)
_KNOWN = frozenset(
    {
        *_INTEGERS,
        *_FLAGS,
        *("prompt", "model", "size", "quality", "style", "background", "moderation", "response_format"),
        *("output_format", "user"),
    }
)
_TRUTH = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class Source:
    """One picture as it was sent, and the field that it came in."""

    given: bytes | str
    param: str


@dataclass(frozen=True, slots=True)
class Sources:
    """At least one picture; the mask marks where to paint, the markup is a guide that lies over the first picture."""

    pictures: tuple[Source, ...]
    mask: Source | None
    markup: Source | None

    @property
    def count(self) -> int:
        return len(self.pictures) + (self.mask is not None) + (self.markup is not None)

    async def read(
        self, uploads: UploadService, account_id: str
    ) -> tuple[tuple[Picture, ...], Picture | None, Picture | None]:
        """The pictures, the mask and the markup.

        Raises RequestInvalid, RequestTooLarge, UploadNotFound or StorageUnavailable.
        """
        sources = [*self.pictures, *(one for one in (self.mask, self.markup) if one is not None)]
        found = await asyncio.gather(*(_read(source, uploads, account_id) for source in sources))
        size = sum(len(picture.data) for picture in found if isinstance(picture, PictureData))
        if size > BYTES_MAX:
            raise RequestTooLarge(
                f"The images of an edit have at most {BYTES_MAX} bytes together.", param=sources[0].param
            )
        rest = iter(found[len(self.pictures) :])
        mask = None if self.mask is None else next(rest)
        return tuple(found[: len(self.pictures)]), mask, None if self.markup is None else next(rest)


def form_sources(form: Form) -> Sources:
    """Files, and texts that refer to uploads or to the web. Raises RequestInvalid."""

    def under(name: str) -> list[bytes | str]:
        return [*(one.data for one in form.files.get(name, ())), *form.fields.get(name, ())]

    def one_of(name: str) -> Source | None:
        given = under(name)
        if len(given) > 1:
            raise RequestInvalid(f"There is one {name} at most.", param=name)
        return Source(given[0], name) if given else None

    return _sources(under("image"), one_of("mask"), one_of("markup"), "image", lambda at: f"image[{at}]")


def json_sources(body: Mapping[str, Any]) -> Sources:
    """`images: [{"image_url"}]` as OpenAI has it, or `image` with one URL or several. Raises RequestInvalid."""
    parsed = validated(ImageEditReferences, body)
    mask = None if parsed.mask is None else Source(_url(parsed.mask, "mask"), "mask")
    markup = None if parsed.markup is None else Source(_url(parsed.markup, "markup"), "markup")
    if parsed.images is not None:
        urls = [_url(one, f"images[{at}]") for at, one in enumerate(parsed.images)]
        return _sources(urls, mask, markup, "images", lambda at: f"images[{at}].image_url")
    bare = [parsed.image] if isinstance(parsed.image, str) else parsed.image or []
    return _sources(bare, mask, markup, "image" if bare else "images", lambda at: f"image[{at}]")


def body_of(form: Form) -> dict[str, Any]:
    """The JSON body that a form stands for, without its pictures: numbers and flags come as texts.

    Raises RequestInvalid for a file under any other name.
    """
    for name in form.files:
        if name not in FILES:
            raise RequestInvalid(f"Files belong into 'image', 'mask' and 'markup', not into {name[:64]!r}.", param=name)
    return {name: _value(name, form) for name in form.fields if name not in FILES}


def _sources(
    given: Sequence[bytes | str],
    mask: Source | None,
    markup: Source | None,
    name: str,
    param: Callable[[int], str],
) -> Sources:
    if not given:
        raise ParameterMissing(f"Missing required parameter: '{name}'.", param=name)
    if len(given) > PICTURES_MAX:
        raise RequestInvalid(f"An edit starts from at most {PICTURES_MAX} images.", param=name)
    pictures = tuple(Source(one, param(at) if len(given) > 1 else name) for at, one in enumerate(given))
    return Sources(pictures, mask, markup)


def _url(reference: ImageReference, param: str) -> str:
    if reference.file_id is not None:
        raise ParameterUnsupported(
            "Files of the provider are not reachable here: POST /v1/uploads and refer to `upload://ID`.",
            param=f"{param}.file_id",
        )
    if reference.image_url is None:
        raise ParameterMissing(f"Missing required parameter: '{param}.image_url'.", param=f"{param}.image_url")
    return reference.image_url


async def _read(source: Source, uploads: UploadService, account_id: str) -> Picture:
    given = source.given
    if isinstance(given, bytes):
        return _picture(given, source.param)
    if given.startswith(REFERENCE_PREFIX):
        found = await uploads.resolve(account_id, given, IMAGES, source.param)
        return _picture(await found.read(), source.param)
    if given[: len(_DATA)].lower() == _DATA:
        return _picture(_decoded(given, source.param), source.param)
    if given.startswith("https://") and len(given) <= URL_CHARACTERS_MAX and given.isprintable() and " " not in given:
        return PictureUrl(given)
    raise RequestInvalid("An image is a file, or an https://, data: or upload:// URL.", param=source.param)


def _decoded(url: str, param: str) -> bytes:
    head, comma, payload = url.partition(",")
    try:
        if comma and head.lower().endswith(_BASE64):
            return b64decode(payload, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise RequestInvalid("The data URL is no valid base64.", param=param) from exc
    raise RequestInvalid("A data URL of an image is in base64.", param=param)


def _picture(data: bytes, param: str) -> PictureData:
    """The file's own first bytes decide: names and declared types are only what the client says."""
    found = image_type(data)
    if found not in EDITABLE:
        raise RequestInvalid("The file is no PNG, JPEG or WebP image.", param=param)
    return PictureData(data, found)


def _value(name: str, form: Form) -> Any:
    values = form.fields[name]
    if name not in _KNOWN:
        return list(values) if len(values) > 1 or name in form.arrays else values[0]
    return _typed(name, values[-1])


def _typed(name: str, value: str) -> str | int | bool | None:
    """A number or flag from its text; any other text stays one, for validation to refuse. Empty counts as absent."""
    if not value and name != "prompt":
        return None
    if name in _INTEGERS and value.isascii() and value.lstrip("-").isdecimal() and len(value) < len("10" * 8):
        return int(value)
    if name in _FLAGS:
        return _TRUTH.get(value.lower(), value)
    return value
