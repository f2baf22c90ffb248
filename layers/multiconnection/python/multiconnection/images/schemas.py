"""The bodies of POST /v1/images/generations and POST /v1/images/edits; unknown fields pass through."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from multiconnection.web.validation import Open, items

IMAGES_MAX = 10
PARTIAL_IMAGES_MAX = 3
# More than any model starts from: how many it may be is for the edit to say.
REFERENCES_MAX = 128
# Room for a data URL of more than any request body or upload may have.
URL_CHARACTERS_MAX = 128 * 1024 * 1024
Name = Annotated[str, Field(min_length=1, max_length=256)]
Word = Annotated[str, Field(max_length=64)]
Url = Annotated[str, Field(min_length=1, max_length=URL_CHARACTERS_MAX)]


class ImagesBody(Open):
    """The common fields of both endpoints; `model` has a default.

    SVG is not among the formats: another model makes it, at another price.
    """

    prompt: Annotated[str, Field(min_length=1)]
    model: Name | None = None
    n: Annotated[int, Field(ge=1, le=IMAGES_MAX)] | None = None
    size: Word | None = None
    quality: Word | None = None
    style: Word | None = None
    background: Word | None = None
    moderation: Word | None = None
    response_format: Literal["b64_json", "url"] | None = None
    output_format: Literal["png", "jpeg", "webp"] | None = None
    output_compression: Annotated[int, Field(ge=0, le=100)] | None = None
    partial_images: Annotated[int, Field(ge=0, le=PARTIAL_IMAGES_MAX)] | None = None
    stream: bool | None = None
    user: str | None = None


class ImageReference(Open):
    """One picture to start from. Files of the provider are not reachable through a shared account."""

    image_url: Url | None = None
    file_id: str | None = None


def _reference(given: Any) -> Any:
    """A bare URL stands for a reference to it."""
    return {"image_url": given} if isinstance(given, str) else given


class ImageEditReferences(Open):
    """The pictures of an edit in a JSON body: `images` as OpenAI has them, or `image` with bare URLs."""

    images: Annotated[list[ImageReference], items(REFERENCES_MAX, least=1)] | None = None
    image: Url | Annotated[list[Url], items(REFERENCES_MAX, least=1)] | None = None
    mask: Annotated[ImageReference | None, BeforeValidator(_reference)] = None
    markup: Annotated[ImageReference | None, BeforeValidator(_reference)] = None
