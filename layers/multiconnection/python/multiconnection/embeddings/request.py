"""Embeddings and moderations: what a request asks for, and how many tokens its inputs can be."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from multiconnection.calls.requests import Inputs, PricedCall, inputs_of, unread, utf8
from multiconnection.catalog.bounds import CostBound
from multiconnection.catalog.models import Model
from multiconnection.catalog.parameters import EMBEDDINGS, MODERATIONS, refuse_costly
from multiconnection.errors import ContextTooLong, RequestInvalid
from multiconnection.web.body import json_object, validated

from .schemas import EmbeddingsBody, ModerationsBody

FLOAT = "float"
MODERATION_MODEL_DEFAULT = "omni-moderation-latest"
_KINDS = {EMBEDDINGS: "embedding", MODERATIONS: "moderation"}


@dataclass(frozen=True, slots=True, kw_only=True)
class InputCall(PricedCall):
    """Inputs on their way to an upstream; `tokens_estimate` stands in when no usage is reported."""

    body: Mapping[str, Any]
    inputs: int
    tokens_max: int
    encoding_format: str


@dataclass(frozen=True, slots=True)
class InputRequest:
    """A validated body of `endpoint`, EMBEDDINGS or MODERATIONS: a call that costs its input and nothing else."""

    endpoint: str
    body: Mapping[str, Any]
    model: str
    inputs: Inputs
    encoding_format: str = FLOAT

    def bind(self, model: Model, markup_basis_points: int) -> InputCall:
        tokens_max = self.inputs.tokens_max(model)
        dearest = tokens_max * model.prices.dearest_input
        return InputCall(
            endpoint=self.endpoint,
            model=model,
            bound=CostBound(dearest, per_token_pico=0, output_tokens=0, markup_basis_points=markup_basis_points),
            tokens_estimate=min(self.inputs.tokens_typical(model), tokens_max),
            body=self.body,
            inputs=self.inputs.count,
            tokens_max=tokens_max,
            encoding_format=self.encoding_format,
        )


def parse_embeddings_request(body: object) -> InputRequest:
    """Raises RequestInvalid and its kinds."""
    fields = json_object(body)
    parsed = validated(EmbeddingsBody, fields)
    texts, tokens = inputs_of(parsed.input)
    return InputRequest(
        EMBEDDINGS,
        fields,
        parsed.model,
        Inputs(texts, tokens, instructions=unread(EMBEDDINGS, fields)),
        parsed.encoding_format or FLOAT,
    )


def parse_moderations_request(body: object) -> InputRequest:
    """Raises RequestInvalid and its kinds."""
    fields = json_object(body)
    parsed = validated(ModerationsBody, fields)
    given = parsed.input if isinstance(parsed.input, list) else [parsed.input]
    for at, part in enumerate(given):
        if not isinstance(part, str) and part.type == "image_url":
            _require_image(part.image_url or {}, f"input[{at}].image_url.url")
    texts = [part if isinstance(part, str) else part.text or "" for part in given]
    images = sum(not isinstance(part, str) and part.image_url is not None for part in given)
    inputs = Inputs([utf8(text) for text in texts], images=images, instructions=unread(MODERATIONS, fields))
    return InputRequest(MODERATIONS, fields, parsed.model or MODERATION_MODEL_DEFAULT, inputs)


def require_input_model(request: InputRequest, model: Model) -> None:
    """Raises RequestInvalid for a model of another kind or a parameter without a bound.

    Raises ContextTooLong for an input that surely does not fit.
    """
    kind = _KINDS[request.endpoint]
    if model.kind != kind:
        raise RequestInvalid(
            f"`{model.id}` is a {model.kind} model; this endpoint needs a model of kind {kind}, see GET /v1/models.",
            param="model",
        )
    refuse_costly(request.endpoint, request.body, model)
    window, inputs = model.context_window, request.inputs
    least = max([*(len(text) // 8 for text in inputs.texts), *inputs.tokens], default=0)
    if window and least > window:
        raise ContextTooLong(
            f"This model's maximum context length is {window} tokens; one of your inputs has at least {least}.",
            param="input",
        )


def _require_image(image: Mapping[str, Any], param: str) -> None:
    """An upload is not handed on here: it must not pass for a picture that was looked at."""
    url = image.get("url")
    if not isinstance(url, str) or not url.startswith(("https://", "data:image/")):
        raise RequestInvalid("An image to moderate is an https:// or data:image/ URL.", param=param)
