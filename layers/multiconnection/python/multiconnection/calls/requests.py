"""How many tokens a prompt typically is: for rate limits, and for a charge where the provider does not say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson

from multiconnection.catalog.bounds import CostBound, text_tokens_max
from multiconnection.catalog.models import Model
from multiconnection.catalog.parameters import ENDPOINTS
from multiconnection.errors import RequestInvalid
from multiconnection.turns import Steps

_WANTED = {
    "chat": "`messages` to POST /v1/chat/completions",
    "speech": "`input` and `voice` instead of `messages`, here or to POST /v1/audio/speech",
    "image": "`prompt` to POST /v1/images/generations",
    "embedding": "`input` to POST /v1/embeddings",
    "transcription": "the file to POST /v1/audio/transcriptions",
    "moderation": "`input` to POST /v1/moderations",
}


def wrong_kind(model: Model) -> RequestInvalid:
    """The error for a request that is not of the model's kind: it says what to send instead."""
    article = "an" if model.kind[0] in "aeiou" else "a"
    return RequestInvalid(f"`{model.id}` is {article} {model.kind} model: send {_WANTED[model.kind]}.", param="model")


# Tokens that a tokenizer puts around a text.
TEXT_OVERHEAD_TOKENS = 8
FLOAT = "float"
# What is counted in one step with all else; more has a step of its own.
TEXT_BYTES_STEP = 128 * 1024


@dataclass(frozen=True)
class InputRequest:
    """`texts` and `tokens` are what is read: UTF-8 texts, and lengths of texts that are tokens already.

    `instructions` are fields that the gateway does not know: a server may put them before each of the texts.
    """

    body: Mapping[str, Any]
    model: str
    texts: Sequence[bytes]
    tokens: Sequence[int] = ()
    images: int = 0
    encoding_format: str = FLOAT
    instructions: bytes = b""

    @property
    def inputs(self) -> int:
        return len(self.texts) + len(self.tokens)

    def tokens_max(self, model: Model) -> int:
        """No provider reads more of one text than the context window."""
        window, around = model.context_window, self._instructions_tokens_max
        texts = (most + around for most in self._text_tokens_max)
        bound = sum(min(most, window) for most in texts) if window else sum(texts)
        return bound + sum(self.tokens) + around * len(self.tokens) + self.images * model.image_tokens_max

    @cached_property
    def _instructions_tokens_max(self) -> int:
        return text_tokens_max(self.instructions)

    @cached_property
    def _text_tokens_max(self) -> list[int]:
        """Of each text, counted when the request was not refused for anything cheaper."""
        return [text_tokens_max(text) + TEXT_OVERHEAD_TOKENS for text in self.texts]

    def counted(self) -> Steps[None]:
        """Counts the texts in a step of its own where they are long."""
        if sum(map(len, self.texts)) + len(self.instructions) > TEXT_BYTES_STEP:
            yield
            self._instructions_tokens_max  # noqa: B018  (it is kept)
            yield
            self._text_tokens_max  # noqa: B018  (it is kept)
            yield

    def tokens_estimate(self, model: Model) -> int:
        """Exact for tokens, typical for texts; never above the bound."""
        typical = sum(-(-len(text) // TOKEN_BYTES_TYPICAL) for text in self.texts) + sum(self.tokens)
        return min(typical + self.images * model.image_tokens_max, self.tokens_max(model))

    def cost_bound(self, model: Model, markup_basis_points: int) -> CostBound:
        dearest = self.tokens_max(model) * model.prices.dearest_input
        return CostBound(dearest, per_token_pico=0, output_tokens=0, markup_basis_points=markup_basis_points)


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


def utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


TOKEN_BYTES_TYPICAL = 4
# Role and separators of a message in the usual chat templates.
MESSAGE_TOKENS = 4
# Read by the model as the JSON that they are.
_AS_JSON = ("tools", "functions", "response_format")
# Says what a text is, or is counted as an image.
_UNREAD = frozenset({"role", "type", "id", "tool_call_id", "image_url"})


def prompt_tokens_typical(body: Mapping[str, Any]) -> int:
    """Of a chat request without its images: what a model reads of it, not the JSON around that."""
    messages = body["messages"]
    read = sum(len(orjson.dumps(body[name])) for name in _AS_JSON if body.get(name))
    read += sum(map(_message_bytes, messages))
    return -(-read // TOKEN_BYTES_TYPICAL) + MESSAGE_TOKENS * len(messages)


def _message_bytes(message: Mapping[str, Any]) -> int:
    """Almost every message is a role and a text, and there may be a hundred thousand of them."""
    content = message.get("content")
    if len(message) == len(("role", "content")) and isinstance(content, str) and "role" in message:
        return _utf8_bytes(content)
    return _read_bytes(message)


def _utf8_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _read_bytes(value: object) -> int:
    if isinstance(value, str):
        return _utf8_bytes(value)
    if isinstance(value, list):
        return sum(map(_read_bytes, value))
    if isinstance(value, dict):
        return sum(_read_bytes(part) for name, part in value.items() if name not in _UNREAD)
    return 0
