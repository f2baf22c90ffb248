"""The common parts of paid requests: the priced call that each becomes, and prompts that are lists of inputs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson

from multiconnection.catalog.bounds import CostBound, text_tokens_max
from multiconnection.catalog.models import Model
from multiconnection.catalog.parameters import ENDPOINTS
from multiconnection.errors import RequestInvalid
from multiconnection.web.body import Steps
from multiconnection.web.json import utf8

# Tokens that a tokenizer puts around a text.
TEXT_OVERHEAD_TOKENS = 8
TOKEN_BYTES_TYPICAL = 4
# What is counted in one step with all else; more has a step of its own.
TEXT_BYTES_STEP = 128 * 1024
_WANTED = {
    "chat": "`messages` to POST /v1/chat/completions",
    "speech": "`input` and `voice` instead of `messages`, here or to POST /v1/audio/speech",
    "image": "`prompt` to POST /v1/images/generations",
    "embedding": "`input` to POST /v1/embeddings",
    "transcription": "the file to POST /v1/audio/transcriptions",
    "moderation": "`input` to POST /v1/moderations",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedCall:
    """A validated request bound to one model and its prices: what the pipeline holds money for.

    `bound` is the most that the call can cost; once money is held, it is what the hold covers. `output_limit` is the
    caller's own, None when open-ended: only then may `bound` be shortened to what the balance affords.
    `tokens_estimate` is what the token limits count until the real usage is known. `upstream_model` is the model's
    name at the provider that is being tried. Each endpoint adds what its providers are sent.
    """

    endpoint: str
    model: Model
    bound: CostBound
    output_limit: int | None = 0
    tokens_estimate: int = 0
    streamed: bool = False
    upstream_model: str = ""


def wrong_kind(model: Model) -> RequestInvalid:
    """The error for a request that is not of the model's kind: it says what to send instead."""
    article = "an" if model.kind[0] in "aeiou" else "a"
    return RequestInvalid(f"`{model.id}` is {article} {model.kind} model: send {_WANTED[model.kind]}.", param="model")


@dataclass(frozen=True)
class Inputs:
    """A prompt that is a list: UTF-8 `texts`, the lengths of those that are `tokens` already, and `images`.

    `instructions` are fields that the gateway does not know: a server may put them before each of the texts.
    """

    texts: Sequence[bytes]
    tokens: Sequence[int] = ()
    images: int = 0
    instructions: bytes = b""

    @property
    def count(self) -> int:
        """Texts and lists of tokens, each of which is answered."""
        return len(self.texts) + len(self.tokens)

    def counted(self) -> Steps[None]:
        """Counts the texts in a step of its own where they are long."""
        if sum(map(len, self.texts)) + len(self.instructions) > TEXT_BYTES_STEP:
            yield
            self._instructions_tokens_max  # noqa: B018  (it is kept)
            yield
            self._text_tokens_max  # noqa: B018  (it is kept)
            yield

    def tokens_max(self, model: Model) -> int:
        """No provider reads more of one text than the context window."""
        window, around = model.context_window, self._instructions_tokens_max
        texts = (most + around for most in self._text_tokens_max)
        bound = sum(min(most, window) for most in texts) if window else sum(texts)
        return bound + sum(self.tokens) + around * len(self.tokens) + self.images * model.image_tokens_max

    def tokens_typical(self, model: Model) -> int:
        """Exact for tokens, typical for texts; it may be above the bound."""
        texts = sum(-(-len(text) // TOKEN_BYTES_TYPICAL) for text in self.texts)
        return texts + sum(self.tokens) + self.images * model.image_tokens_max

    @cached_property
    def _instructions_tokens_max(self) -> int:
        return text_tokens_max(self.instructions)

    @cached_property
    def _text_tokens_max(self) -> list[int]:
        """Counted when the request was not refused for anything cheaper."""
        return [text_tokens_max(text) + TEXT_OVERHEAD_TOKENS for text in self.texts]


def inputs_of(given: str | Sequence[str | int | list[int]]) -> tuple[list[bytes], list[int]]:
    """The texts, and the lengths of those that are tokens: a list of numbers is one of them."""
    if isinstance(given, str):
        return [utf8(given)], []
    if isinstance(given[0], int):
        return [], [len(given)]
    return (
        [utf8(text) for text in given if isinstance(text, str)],
        [len(tokens) for tokens in given if isinstance(tokens, list)],
    )


def unread(endpoint: str, body: Mapping[str, Any]) -> bytes:
    """The JSON of the fields that the endpoint does not know; raises RequestInvalid where it cannot be written."""
    unknown = {name: value for name, value in body.items() if name not in ENDPOINTS[endpoint].known}
    try:
        return orjson.dumps(unknown) if unknown else b""
    except TypeError as exc:
        raise RequestInvalid("The JSON of your request is nested too deeply.") from exc
