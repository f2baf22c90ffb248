"""Requests whose whole cost is their input: what they ask for, and how many tokens it can be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson
from pydantic import ValidationError

from multiconnection.domain.bounds import CostBound, text_tokens_max
from multiconnection.domain.catalog import Model
from multiconnection.domain.errors import ContextTooLong, RequestInvalid
from multiconnection.domain.parameters import EMBEDDINGS, ENDPOINTS, MODERATIONS, refuse_costly
from multiconnection.schemas.embeddings import EmbeddingsBody, ModerationsBody

from .chat_estimate import TOKEN_BYTES_TYPICAL
from .turns import Steps
from .validation import invalid

MODERATION_MODEL = "omni-moderation-latest"
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


def parse_embeddings_request(body: object) -> InputRequest:
    """Raises RequestInvalid and its kinds."""
    if not isinstance(body, dict):
        raise RequestInvalid("The request body must be a JSON object.")
    try:
        parsed = EmbeddingsBody.model_validate(body)
    except ValidationError as exc:
        raise invalid(exc) from exc
    texts, tokens = inputs_of(parsed.input)
    return InputRequest(
        body,
        parsed.model,
        texts,
        tokens,
        encoding_format=parsed.encoding_format or FLOAT,
        instructions=unread(EMBEDDINGS, body),
    )


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


def parse_moderations_request(body: object) -> InputRequest:
    """Raises RequestInvalid and its kinds."""
    if not isinstance(body, dict):
        raise RequestInvalid("The request body must be a JSON object.")
    try:
        parsed = ModerationsBody.model_validate(body)
    except ValidationError as exc:
        raise invalid(exc) from exc
    given = parsed.input if isinstance(parsed.input, list) else [parsed.input]
    for at, part in enumerate(given):
        if not isinstance(part, str) and part.type == "image_url":
            _require_image(part.image_url or {}, f"input[{at}].image_url.url")
    texts = [part if isinstance(part, str) else part.text or "" for part in given]
    images = sum(not isinstance(part, str) and part.image_url is not None for part in given)
    return InputRequest(
        body,
        parsed.model or MODERATION_MODEL,
        [utf8(text) for text in texts],
        images=images,
        instructions=unread(MODERATIONS, body),
    )


def _require_image(image: Mapping[str, Any], param: str) -> None:
    """An upload is not handed on here: it must not pass for a picture that was looked at."""
    url = image.get("url")
    if not isinstance(url, str) or not url.startswith(("https://", "data:image/")):
        raise RequestInvalid("An image to moderate is an https:// or data:image/ URL.", param=param)


def require_kind(request: InputRequest, model: Model, kind: str) -> None:
    """Raises RequestInvalid for a model of another kind or a parameter without a bound, ContextTooLong for what

    surely does not fit.
    """
    if model.kind != kind:
        raise RequestInvalid(
            f"`{model.id}` is a {model.kind} model; this endpoint needs a model of kind {kind}, see GET /v1/models.",
            param="model",
        )
    refuse_costly(EMBEDDINGS if kind == "embedding" else MODERATIONS, request.body, model)
    window = model.context_window
    least = max([*(len(text) // 8 for text in request.texts), *request.tokens], default=0)
    if window and least > window:
        raise ContextTooLong(
            f"This model's maximum context length is {window} tokens; one of your inputs has at least {least}.",
            param="input",
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
