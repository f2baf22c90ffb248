"""The paid endpoints of /v1 for the OpenAPI document: they are served without FastAPI, so they are described here.

No function imports this module. Answers have OpenAI's members and may have more: what a provider adds is passed on.
"""

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import Field

from multiconnection.audio import routes as audio
from multiconnection.audio.schemas import SpeechBody, TranscriptionForm
from multiconnection.chat import routes as chat
from multiconnection.chat.schemas import ChatBody, CompletionsBody
from multiconnection.embeddings import routes as embeddings
from multiconnection.embeddings.schemas import EmbeddingsBody, ModerationsBody
from multiconnection.images import routes as images
from multiconnection.images.schemas import ImageEditReferences, ImagesBody
from multiconnection.web.openapi import EVENTS, FORM, AnswerModel, Money, Time, refuses, takes

File = Annotated[bytes, Field(json_schema_extra={"type": "string", "format": "binary"})]
AUDIO = ("audio/mpeg", "audio/opus", "audio/aac", "audio/flac", "audio/wav", "audio/pcm")
REFUSALS = refuses(400, 402, 404, 502, 504)
router = APIRouter()


class TokenUsage(AnswerModel):
    """Tokens as OpenAI counts them, and their cost; `estimated` where the provider reported no usage."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: dict[str, Any] | None = None
    completion_tokens_details: dict[str, Any] | None = None
    cost: Money | None = None
    estimated: bool | None = None


class AnswerMessage(AnswerModel):
    role: str
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    audio: dict[str, Any] | None = None
    annotations: list[dict[str, Any]] | None = None


class ChatChoice(AnswerModel):
    index: int
    message: AnswerMessage
    finish_reason: str | None
    logprobs: dict[str, Any] | None = None


class ChatCompletion(AnswerModel):
    id: str
    object: Literal["chat.completion"]
    created: Time
    model: str
    choices: list[ChatChoice]
    usage: TokenUsage | None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None


class TextChoice(AnswerModel):
    index: int
    text: str | None = None
    finish_reason: str | None
    logprobs: dict[str, Any] | None = None


class TextCompletion(AnswerModel):
    """A legacy completion."""

    id: str
    object: Literal["text_completion"]
    created: Time
    model: str
    choices: list[TextChoice]
    usage: TokenUsage | None = None
    system_fingerprint: str | None = None


class Transcription(AnswerModel):
    """`json`, `verbose_json` and `diarized_json`; other formats are plain text."""

    text: str
    task: str | None = None
    language: str | None = None
    duration: float | None = None
    segments: list[dict[str, Any]] | None = None
    words: list[dict[str, Any]] | None = None
    logprobs: list[dict[str, Any]] | None = None
    usage: dict[str, Any] | None = None


class Image(AnswerModel):
    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = None
    expires_at: Time | None = None


class Images(AnswerModel):
    created: Time
    data: list[Image]
    background: str | None = None
    output_format: str | None = None
    quality: str | None = None
    size: str | None = None
    usage: dict[str, Any] | None = None


class Embedding(AnswerModel):
    """`embedding` is base64 of little-endian floats where the request says so."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class Embeddings(AnswerModel):
    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: dict[str, Any]


class Moderation(AnswerModel):
    id: str
    model: str
    results: list[dict[str, Any]]
    usage: dict[str, Any] | None = None


class TranscriptionFile(TranscriptionForm):
    """A transcription's form."""

    file: File


class ImageEditForm(ImagesBody):
    """An edit's form; `image[]` may be repeated."""

    image: File
    mask: File | None = None


class ImageEditBody(ImagesBody, ImageEditReferences):
    """An edit whose images are URLs."""


def streamed(*media: str) -> dict[int | str, dict[str, Any]]:
    """Refusals, and the media types of an answer besides JSON."""
    content = {each: {"schema": {"type": "string", "format": "binary"}} for each in media}
    return REFUSALS | {200: {"description": "The answer", "content": content}}


router.post(
    "/v1/chat/completions",
    tags=["Chat"],
    summary="Create a chat completion; with a speech model, create speech",
    response_model=ChatCompletion,
    responses=streamed(EVENTS, "audio/mpeg"),
    openapi_extra=takes(ChatBody),
)(chat.create_chat_completion)
router.post(
    "/v1/completions",
    tags=["Chat"],
    summary="Create a legacy completion",
    response_model=TextCompletion,
    responses=streamed(EVENTS),
    openapi_extra=takes(CompletionsBody),
)(chat.create_completion)
router.post(
    "/v1/audio/speech",
    tags=["Audio"],
    summary="Create speech",
    response_model=None,
    responses=streamed(*AUDIO, EVENTS),
    openapi_extra=takes(SpeechBody),
)(audio.create_speech)
router.post(
    "/v1/audio/transcriptions",
    tags=["Audio"],
    summary="Transcribe audio",
    response_model=Transcription,
    responses=streamed("text/plain", EVENTS),
    openapi_extra=takes(TranscriptionFile, FORM),
)(audio.create_transcription)
router.post(
    "/v1/audio/translations",
    tags=["Audio"],
    summary="Translate audio into English",
    response_model=Transcription,
    responses=streamed("text/plain"),
    openapi_extra=takes(TranscriptionFile, FORM),
)(audio.create_translation)
router.post(
    "/v1/images/generations",
    tags=["Images"],
    summary="Create images",
    response_model=Images,
    responses=streamed(EVENTS),
    openapi_extra=takes(ImagesBody),
)(images.create_image)
router.post(
    "/v1/images/edits",
    tags=["Images"],
    summary="Edit images",
    response_model=Images,
    responses=streamed(EVENTS),
    openapi_extra=takes(ImageEditForm, FORM, as_json=ImageEditBody),
)(images.edit_image)
router.post(
    "/v1/embeddings",
    tags=["Embeddings"],
    summary="Create embeddings",
    response_model=Embeddings,
    responses=REFUSALS,
    openapi_extra=takes(EmbeddingsBody),
)(embeddings.create_embeddings)
router.post(
    "/v1/moderations",
    tags=["Moderations"],
    summary="Classify text and images",
    response_model=Moderation,
    responses=REFUSALS,
    openapi_extra=takes(ModerationsBody),
)(embeddings.create_moderation)
