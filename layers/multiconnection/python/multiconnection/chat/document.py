"""The OpenAPI document's part about chat and legacy completions; no function imports it."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import Field

from multiconnection.web.openapi import EVENTS, PAID, AnswerModel, Cost, Time, answers, refuses, takes
from multiconnection.web.validation import items

from . import routes
from .schemas import MESSAGES_MAX, ChatOptions, CompletionsBody, Message

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "function_call"]
Estimated = Annotated[Literal[True] | None, Field(description="The provider reported no usage that can be right")]


class ChatOrSpeechBody(ChatOptions):
    """`messages` for a chat model, `input` and `voice` for a speech model (see POST /v1/audio/speech)."""

    messages: Annotated[list[Message], items(MESSAGES_MAX, least=1)] | None = None
    input: str | None = None
    voice: str | None = None


class TokenUsage(AnswerModel):
    """Cached and reasoning tokens are parts of the totals."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: dict[str, Any] | None = None
    completion_tokens_details: dict[str, Any] | None = None
    cost: Cost
    estimated: Estimated = None


class AnswerMessage(AnswerModel):
    role: Literal["assistant"]
    content: str | None
    refusal: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    audio: dict[str, Any] | None = None
    annotations: list[dict[str, Any]] | None = None


class ChatChoice(AnswerModel):
    index: int
    message: AnswerMessage
    finish_reason: FinishReason
    logprobs: Any = None


class ChatCompletion(AnswerModel):
    """Members of the provider's own are passed on."""

    id: str
    object: Literal["chat.completion"]
    created: Time
    model: str
    choices: list[ChatChoice]
    usage: TokenUsage
    service_tier: str | None = None
    system_fingerprint: str | None = None


class ChunkChoice(AnswerModel):
    index: int
    delta: dict[str, Any]
    finish_reason: FinishReason | None
    logprobs: Any = None


class ChatCompletionChunk(AnswerModel):
    """One event; the last is `[DONE]`. With `include_usage` the event before it has the usage and no choices."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: Time
    model: str
    choices: list[ChunkChoice]
    usage: TokenUsage | None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None


class TextChoice(AnswerModel):
    index: int
    text: str
    finish_reason: FinishReason | None
    logprobs: Any = None


class TextCompletion(AnswerModel):
    """A whole answer; an event of a stream has the same members, and its usage as in chat."""

    id: str
    object: Literal["text_completion"]
    created: Time
    model: str
    choices: list[TextChoice]
    usage: TokenUsage | None = None
    system_fingerprint: str | None = None


router = APIRouter(tags=["Chat"])
router.add_api_route(
    "/v1/chat/completions",
    routes.create_chat_completion,
    methods=["POST"],
    summary="Create a chat completion; with a speech model, create speech",
    response_model=ChatCompletion,
    responses={**refuses(*PAID), **answers({EVENTS: ChatCompletionChunk, "audio/mpeg": None})},
    openapi_extra=takes(ChatOrSpeechBody),
)
router.add_api_route(
    "/v1/completions",
    routes.create_completion,
    methods=["POST"],
    summary="Create a legacy completion",
    response_model=TextCompletion,
    responses={**refuses(*PAID), **answers({EVENTS: TextCompletion})},
    openapi_extra=takes(CompletionsBody),
)
