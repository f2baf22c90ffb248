"""The body of POST /v1/chat/completions: types and bounds of what we know; unknown fields pass through."""

from typing import Annotated, Any, Literal

from pydantic import Field

from .open import Open

CHOICES_MAX = 128
OUTPUT_TOKENS_MAX = 10**9
MESSAGES_MAX = 100_000

Tokens = Annotated[int, Field(ge=0, le=OUTPUT_TOKENS_MAX)]
Role = Literal["developer", "system", "user", "assistant", "tool", "function"]


class ImageUrl(Open):
    url: str
    detail: str | None = None


class Part(Open):
    type: str
    text: str | None = None
    image_url: ImageUrl | None = None
    input_audio: dict[str, Any] | None = None
    file: dict[str, Any] | None = None


class Message(Open):
    role: Role
    content: str | list[Part] | None = None
    name: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None
    audio: dict[str, Any] | None = None


class StreamOptions(Open):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class Tool(Open):
    type: str
    function: dict[str, Any] | None = None


class ChatBody(Open):
    """Request fields as OpenAI spells them."""

    model: Annotated[str, Field(min_length=1, max_length=256)]
    messages: Annotated[list[Message], Field(min_length=1, max_length=MESSAGES_MAX)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Field(ge=1, le=CHOICES_MAX)] | None = None
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    temperature: float | int | None = None
    top_p: float | int | None = None
    presence_penalty: float | int | None = None
    frequency_penalty: float | int | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    logit_bias: dict[str, float | int] | None = None
    user: str | None = None
    metadata: dict[str, str] | None = None
    modalities: list[str] | None = None
    response_format: dict[str, Any] | None = None
    reasoning_effort: str | None = None
    service_tier: str | None = None
    store: bool | None = None
    tools: list[Tool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    functions: list[dict[str, Any]] | None = None
    function_call: str | dict[str, Any] | None = None
