"""The OpenAPI document's part about images; no function imports it."""

from typing import Any, Literal

from fastapi import APIRouter

from multiconnection.web.openapi import EVENTS, FORM, PAID, AnswerModel, Cost, Time, answers, refuses, takes

from . import routes
from .schemas import ImageEditReferences, ImagesBody


class ImageEditForm(ImagesBody):
    """Several pictures are sent as `image[]`; a text is a URL or a reference `upload://…` of POST /v1/uploads."""

    image: bytes
    mask: bytes | None = None
    markup: bytes | None = None


class ImageEditBody(ImageEditReferences, ImagesBody):
    """The same as JSON: `images`, or `image` with bare URLs."""


class ImageUsage(AnswerModel):
    """Tokens; for images that are priced each, their number, size and quality."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_tokens_details: dict[str, Any]
    output_tokens_details: dict[str, Any]
    images: int | None = None
    size: str | None = None
    quality: str | None = None
    cost: Cost
    estimated: Literal[True] | None = None


class ImageItem(AnswerModel):
    """Base64, or a URL that is good until `expires_at`."""

    b64_json: str | None = None
    url: str | None = None
    expires_at: Time | None = None
    revised_prompt: str | None = None


class ImagesAnswer(AnswerModel):
    created: Time
    data: list[ImageItem]
    background: str | None = None
    output_format: str | None = None
    size: str | None = None
    quality: str | None = None
    usage: ImageUsage


class ImageEvent(AnswerModel):
    """A partial image, or a finished one with its share of the usage."""

    type: Literal[
        "image_generation.partial_image",
        "image_generation.completed",
        "image_edit.partial_image",
        "image_edit.completed",
    ]
    b64_json: str
    created_at: Time | None = None
    partial_image_index: int | None = None
    background: str | None = None
    output_format: str | None = None
    size: str | None = None
    quality: str | None = None
    usage: ImageUsage | None = None


router = APIRouter(tags=["Images"])
router.add_api_route(
    "/v1/images/generations",
    routes.create_image,
    methods=["POST"],
    summary="Create images",
    response_model=ImagesAnswer,
    responses={**refuses(*PAID), **answers({EVENTS: ImageEvent})},
    openapi_extra=takes(ImagesBody),
)
router.add_api_route(
    "/v1/images/edits",
    routes.edit_image,
    methods=["POST"],
    summary="Edit images",
    response_model=ImagesAnswer,
    responses={**refuses(*PAID), **answers({EVENTS: ImageEvent})},
    openapi_extra=takes(ImageEditForm, FORM, as_json=ImageEditBody),
)
