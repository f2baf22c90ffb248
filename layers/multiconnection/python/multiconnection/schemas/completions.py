"""The body of POST /v1/completions, OpenAI's legacy endpoint; unknown fields pass through."""

from typing import Annotated

from pydantic import Field

from .chat import CHOICES_MAX, LogitBias, Stop, StreamOptions
from .chat import Tokens as OutputTokens
from .embeddings import Name, Tokens
from .open import Open, items

PROMPTS_MAX = 128


class CompletionsBody(Open):
    """`prompt` is one text, several texts, one text as tokens, or several of those."""

    model: Name
    prompt: (
        str
        | Annotated[list[str], items(PROMPTS_MAX, least=1)]
        | Tokens
        | Annotated[list[Tokens], items(PROMPTS_MAX, least=1)]
    )
    suffix: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Field(ge=1, le=CHOICES_MAX)] | None = None
    best_of: Annotated[int, Field(ge=0, le=CHOICES_MAX)] | None = None
    max_tokens: OutputTokens | None = None
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
