"""A legacy completion understood: its prompts, what it may cost, and which models take it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from multiconnection.domain.bounds import CostBound, chat_cost_bound
from multiconnection.domain.catalog import Model
from multiconnection.domain.errors import RequestInvalid
from multiconnection.domain.parameters import COMPLETIONS, refuse_costly
from multiconnection.schemas.completions import CompletionsBody

from .embeddings_request import InputRequest, inputs_of, unread, utf8
from .validation import invalid

CAPABILITY = "completions"
# OpenAI's own default for this endpoint.
OUTPUT_LIMIT_DEFAULT = 16


@dataclass(frozen=True, slots=True)
class CompletionsRequest:
    """`choices` come back, `generated` are paid for: `best_of` makes more than it shows."""

    body: Mapping[str, Any]
    model: str
    stream: bool
    include_usage: bool
    choices: int
    generated: int
    output_limit: int
    prompts: InputRequest

    def prompt_tokens_max(self, model: Model) -> int:
        return self.prompts.tokens_max(model)

    def tokens_estimate(self, model: Model) -> int:
        return self.prompts.tokens_estimate(model) + min(self.output_limit, model.max_output_tokens)

    def cost_bound(self, model: Model, markup_basis_points: int) -> CostBound:
        prompt = self.prompt_tokens_max(model)
        output = min(self.output_limit, model.max_output_tokens)
        return chat_cost_bound(model.prices_for(prompt), prompt, output, self.generated, markup_basis_points)


def parse_completions_request(body: object) -> CompletionsRequest:
    """Raises RequestInvalid and its kinds."""
    if not isinstance(body, dict):
        raise RequestInvalid("The request body must be a JSON object.")
    try:
        parsed = CompletionsBody.model_validate(body)
    except ValidationError as exc:
        raise invalid(exc) from exc
    texts, tokens = inputs_of(parsed.prompt)
    suffix = [utf8(parsed.suffix)] if parsed.suffix else []
    prompts = len(texts) + len(tokens)
    choices = parsed.n or 1
    options = parsed.stream_options
    return CompletionsRequest(
        body=body,
        model=parsed.model,
        stream=bool(parsed.stream),
        include_usage=bool(options and options.include_usage),
        choices=prompts * choices,
        generated=prompts * max(choices, parsed.best_of or 1),
        output_limit=OUTPUT_LIMIT_DEFAULT if parsed.max_tokens is None else parsed.max_tokens,
        prompts=InputRequest(
            body, parsed.model, [*texts, *suffix * prompts], tokens, instructions=unread(COMPLETIONS, body)
        ),
    )


def require_completions_model(request: CompletionsRequest, model: Model) -> None:
    """Raises RequestInvalid, which says where to go instead, or ParameterUnsupported for what no bound holds for."""
    if model.kind != "chat" or CAPABILITY not in model.capabilities:
        instead = "send `messages` to POST /v1/chat/completions" if model.kind == "chat" else "see GET /v1/models"
        raise RequestInvalid(f"`{model.id}` is not served by /v1/completions; {instead}.", param="model")
    refuse_costly(COMPLETIONS, request.body, model)
