"""The OpenAPI document's part about embeddings and moderations; no function imports it."""

from typing import Any, Literal

from fastapi import APIRouter

from multiconnection.web.openapi import PAID, AnswerModel, Cost, refuses, takes

from . import routes
from .schemas import EmbeddingsBody, ModerationsBody


class EmbeddingsUsage(AnswerModel):
    prompt_tokens: int
    total_tokens: int
    cost: Cost
    estimated: Literal[True] | None = None


class EmbeddingItem(AnswerModel):
    """Numbers, or base64 of little-endian 32-bit floats."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingsAnswer(AnswerModel):
    """Members of the provider's own are passed on."""

    object: Literal["list"]
    model: str
    data: list[EmbeddingItem]
    usage: EmbeddingsUsage


class ModerationAnswer(AnswerModel):
    """The provider's answer, passed on."""

    id: str | None = None
    model: str | None = None
    results: list[dict[str, Any]]
    usage: dict[str, Any] | None = None


router = APIRouter()
router.add_api_route(
    "/v1/embeddings",
    routes.create_embeddings,
    methods=["POST"],
    tags=["Embeddings"],
    summary="Create embeddings",
    response_model=EmbeddingsAnswer,
    responses=refuses(*PAID),
    openapi_extra=takes(EmbeddingsBody),
)
router.add_api_route(
    "/v1/moderations",
    routes.create_moderation,
    methods=["POST"],
    tags=["Moderations"],
    summary="Classify text and images",
    response_model=ModerationAnswer,
    responses=refuses(*PAID),
    openapi_extra=takes(ModerationsBody),
)
