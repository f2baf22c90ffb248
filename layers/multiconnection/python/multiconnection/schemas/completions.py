"""The body of POST /v1/completions, OpenAI's legacy endpoint; unknown fields pass through."""

from typing import Annotated

from pydantic import Field

from .chat import CHOICES_MAX, StreamOptions, Tokens
from .embeddings import Name, Token
from .open import Open

PROMPTS_MAX = 128


class CompletionsBody(Open):
    """`prompt` is one text, several texts, one text as tokens, or several of those."""

    model: Name
    prompt: (
        str
        | Annotated[list[str], Field(min_length=1, max_length=PROMPTS_MAX)]
        | Annotated[list[Token], Field(min_length=1)]
        | Annotated[list[Annotated[list[Token], Field(min_length=1)]], Field(min_length=1, max_length=PROMPTS_MAX)]
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
    stop: str | list[str] | None = None
    temperature: float | int | None = None
    top_p: float | int | None = None
    presence_penalty: float | int | None = None
    frequency_penalty: float | int | None = None
    logit_bias: dict[str, float | int] | None = None
    user: str | None = None
