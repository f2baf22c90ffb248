"""The pictures that an edit starts from: files of a form, data URLs, uploads, or URLs for the provider to fetch."""

import asyncio
import binascii
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import ValidationError

from multiconnection.calls.upstream import CostOf, Outcome, UpstreamStream
from multiconnection.catalog.models import Provider
from multiconnection.errors import ParameterMissing, ParameterUnsupported, RequestInvalid, RequestTooLarge
from multiconnection.uploads.service import IMAGES, REFERENCE_PREFIX, StoredResult, UploadedObject
from multiconnection.web.forms import Form
from multiconnection.web.validation import invalid

from .request import ImageTariff
from .schemas import ImageEditReferences, ImageReference

PICTURES_MAX = 16
BYTES_MAX = 50 * 1024 * 1024
URL_CHARACTERS_MAX = 8192
_DATA = "data:"
_BASE64 = ";base64"


@dataclass(frozen=True, slots=True)
class Source:
    """One picture as it was sent, and the field that it came in."""

    given: bytes | str
    param: str


# What drawing needs from a provider and from the payload bucket.


@dataclass(frozen=True, slots=True)
class PictureData:
    """A picture to start from; the type is what its first bytes say."""

    data: bytes = field(repr=False)
    content_type: str


@dataclass(frozen=True, slots=True)
class PictureUrl:
    """A picture for the provider to fetch: https, and of the caller's own choice."""

    url: str = field(repr=False)


Picture = PictureData | PictureUrl


class Files(Protocol):
    """The caller's uploads, and a place for large answers (UploadService)."""

    async def resolve(
        self, account_id: str, reference: str, kinds: tuple[str, ...], param: str | None = None
    ) -> UploadedObject:
        """Raises UploadNotFound, RequestInvalid, RequestTooLarge or StorageUnavailable."""

    async def store_result(
        self, account_id: str, hold_id: str, index: int, data: bytes, content_type: str
    ) -> StoredResult:
        """Raises StorageUnavailable."""


@dataclass(frozen=True, slots=True)
class Sources:
    """At least one picture; the mask says where to paint, the markup is drawn over the first picture as a guide."""

    pictures: tuple[Source, ...]
    mask: Source | None
    markup: Source | None

    @property
    def count(self) -> int:
        return len(self.pictures) + (self.mask is not None) + (self.markup is not None)

    async def read(self, files: Files, account_id: str) -> tuple[tuple[Picture, ...], Picture | None, Picture | None]:
        """The pictures, the mask and the markup.

        Raises RequestInvalid, RequestTooLarge, UploadNotFound or StorageUnavailable."""
        sources = [*self.pictures, *(one for one in (self.mask, self.markup) if one is not None)]
        found = await asyncio.gather(*(_read(source, files, account_id) for source in sources))
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
    try:
        parsed = ImageEditReferences.model_validate(body)
    except ValidationError as exc:
        raise invalid(exc) from exc
    mask = None if parsed.mask is None else Source(_url(parsed.mask, "mask"), "mask")
    markup = None if parsed.markup is None else Source(_url(parsed.markup, "markup"), "markup")
    if parsed.images is not None:
        urls = [_url(one, f"images[{at}]") for at, one in enumerate(parsed.images)]
        return _sources(urls, mask, markup, "images", lambda at: f"images[{at}].image_url")
    bare = [parsed.image] if isinstance(parsed.image, str) else parsed.image or []
    return _sources(bare, mask, markup, "image" if bare else "images", lambda at: f"image[{at}]")


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


async def _read(source: Source, files: Files, account_id: str) -> Picture:
    given = source.given
    if isinstance(given, bytes):
        return _picture(given, source.param)
    if given.startswith(REFERENCE_PREFIX):
        found = await files.resolve(account_id, given, IMAGES, source.param)
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
    """The file's own first bytes decide: names and declared types are the client's words."""
    found = image_type(data)
    if found not in EDITABLE:
        raise RequestInvalid("The file is no PNG, JPEG or WebP image.", param=param)
    return PictureData(data, found)


# What an image is, by its first bytes.

EDITABLE = ("image/png", "image/jpeg", "image/webp")


def image_type(data: bytes) -> str:
    """Its media type; "" for what is no image that is known here."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    return ""


@dataclass(frozen=True, slots=True)
class ImageCall:
    """One image request on its way to one upstream.

    `fields` are the caller's, validated, without model, pictures and `response_format`. `edit`: there are `pictures`.
    """

    fields: Mapping[str, Any]
    upstream_model: str
    images: int
    stream: bool
    tariff: ImageTariff
    edit: bool = False
    pictures: tuple[Picture, ...] = ()
    mask: Picture | None = None
    markup: Picture | None = None


@dataclass(frozen=True, slots=True)
class DrawnImage:
    """One finished image; `more` is what the provider says beside it, such as `revised_prompt`."""

    data: bytes = field(repr=False)
    content_type: str
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A whole answer: at least one image, what the provider tells of all of them, and what they cost.

    `items` is the answer's `data`, once the images are where the caller gets them.
    """

    images: tuple[DrawnImage, ...]
    told: Mapping[str, Any]
    outcome: Outcome
    items: tuple[Mapping[str, Any], ...] = ()


class ImageUpstream(Protocol):
    """The dialect of a provider."""

    async def draw(self, provider: Provider, call: ImageCall) -> Drawn:
        """Raises UpstreamError, also when no image of the answer can be used."""

    async def stream(self, provider: Provider, call: ImageCall, cost_of: CostOf) -> UpstreamStream:
        """Returns once the first image, partial or not, has arrived; raises UpstreamError."""
