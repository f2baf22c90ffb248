"""The bodies of chat and legacy completions: types and bounds of what we know; unknown fields pass through."""

from typing import Annotated, Literal

from pydantic import Field

from multiconnection.web.validation import Members, Name, Object, Open, TokenIds, items

CHOICES_MAX = 128
OUTPUT_TOKENS_MAX = 10**9
MESSAGES_MAX = 100_000
# Of one message.
PARTS_MAX = 10_000
PROMPTS_MAX = 128
# OpenAI takes 128; clients with many tool servers send more.
TOOLS_MAX = 1024
# OpenAI takes 4, other providers more.
STOPS_MAX = 128
MODALITIES_MAX = 16
# OpenAI takes 16 pairs.
METADATA_MAX = 128
Tokens = Annotated[int, Field(ge=0, le=OUTPUT_TOKENS_MAX)]
Stop = str | Annotated[list[str], items(STOPS_MAX)]
LogitBias = Annotated[dict[str, float | int], Members()]
Role = Literal["developer", "system", "user", "assistant", "tool", "function"]


class ImageUrl(Open):
    url: str
    detail: str | None = None


class Part(Open):
    type: str
    text: str | None = None
    image_url: ImageUrl | None = None
    input_audio: Object | None = None
    file: Object | None = None


class Message(Open):
    role: Role
    content: str | Annotated[list[Part], items(PARTS_MAX)] | None = None
    name: str | None = None
    tool_calls: Annotated[list[Object], items(TOOLS_MAX)] | None = None
    tool_call_id: str | None = None
    audio: Object | None = None


class StreamOptions(Open):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class Tool(Open):
    type: str
    function: Object | None = None


class ChatMessages(Open):
    """The prompt of a request: validated apart from everything else, as it may have to be in several steps."""

    messages: Annotated[list[Message], items(MESSAGES_MAX, least=1)]


class ChatOptions(Open):
    """All other request fields as OpenAI spells them."""

    model: Annotated[str, Field(min_length=1, max_length=256)]
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
    stop: Stop | None = None
    logit_bias: LogitBias | None = None
    user: str | None = None
    metadata: Annotated[dict[str, str], Members(METADATA_MAX)] | None = None
    modalities: Annotated[list[str], items(MODALITIES_MAX)] | None = None
    response_format: Object | None = None
    reasoning_effort: str | None = None
    service_tier: str | None = None
    store: bool | None = None
    tools: Annotated[list[Tool], items(TOOLS_MAX)] | None = None
    tool_choice: str | Object | None = None
    parallel_tool_calls: bool | None = None
    functions: Annotated[list[Object], items(TOOLS_MAX)] | None = None
    function_call: str | Object | None = None


class ChatBody(ChatOptions, ChatMessages):
    """POST /v1/chat/completions."""


class CompletionsBody(Open):
    """POST /v1/completions, OpenAI's legacy endpoint.

    `prompt` is one text, several texts, one text as tokens, or several of those.
    """

    model: Name
    prompt: (
        str
        | Annotated[list[str], items(PROMPTS_MAX, least=1)]
        | TokenIds
        | Annotated[list[TokenIds], items(PROMPTS_MAX, least=1)]
    )
    suffix: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Field(ge=1, le=CHOICES_MAX)] | None = None
    best_of: Annotated[int, Field(ge=0, le=CHOICES_MAX)] | None = None
    max_tokens: Tokens | None = None
    echo: bool | None = None
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    seed: int | None = None
    stop: Stop | None = None
    temperature: float | int | None = None
    top_p: float | int | None = None
    presence_penalty: float | int | None = None
    frequency_penalty: float | int | None = None
    logit_bias: LogitBias | None = None
    user: str | None = None
