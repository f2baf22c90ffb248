"""Embed texts and moderate them: calls that cost their input and nothing else."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from pydantic import ValidationError

from multiconnection.calls.pipeline import Calls, Plan
from multiconnection.calls.requests import FLOAT, InputRequest, inputs_of, unread, utf8
from multiconnection.calls.upstream import Completion
from multiconnection.catalog.models import Model, Provider
from multiconnection.catalog.parameters import EMBEDDINGS, MODERATIONS, refuse_costly
from multiconnection.context import RequestContext
from multiconnection.errors import ContextTooLong, RequestInvalid
from multiconnection.keys.models import Caller
from multiconnection.turns import in_turns
from multiconnection.usage import UsageSource
from multiconnection.web.validation import invalid

from .schemas import EmbeddingsBody, ModerationsBody


@dataclass(frozen=True, slots=True)
class InputCall:
    """One request on its way to one upstream; `tokens_estimate` stands in when no usage is reported."""

    request: InputRequest
    upstream_model: str
    tokens_max: int
    tokens_estimate: int


class InputUpstream(Protocol):
    """The dialect of a provider."""

    def embed(self, provider: Provider, call: InputCall) -> Awaitable[Completion]:
        """Raises UpstreamError."""

    def moderate(self, provider: Provider, call: InputCall) -> Awaitable[Completion]:
        """Raises UpstreamError."""


class EmbeddingsService:
    """One instance per process."""

    def __init__(self, calls: Calls, upstream: InputUpstream) -> None:
        self._calls = calls
        self._upstream = upstream

    async def embed(self, caller: Caller, body: object, context: RequestContext) -> dict[str, Any]:
        """The list of embeddings, charged. Raises GatewayError; whatever was reserved is settled by then."""
        request = parse_embeddings_request(body)
        model = await self._calls.find_model(caller, request.model)
        require_kind(request, model, "embedding")
        model, fields = self._calls.accept(EMBEDDINGS, model, request.body)
        request = replace(request, body=fields)
        await in_turns(request.counted())
        opened = await self._calls.open(caller, self._plan(EMBEDDINGS, request, model), context)
        answer, cost = await opened.complete(
            lambda provider, ref: self._upstream.embed(provider, _call(request, model, ref.model))
        )
        return answer.body | {"usage": _usage(answer, cost)}

    async def moderate(self, caller: Caller, body: object, context: RequestContext) -> dict[str, Any]:
        """The verdicts; free where the catalog says so, and still with a usage row. Raises GatewayError."""
        request = parse_moderations_request(body)
        model = await self._calls.find_model(caller, request.model)
        require_kind(request, model, "moderation")
        model, fields = self._calls.accept(MODERATIONS, model, request.body)
        request = replace(request, body=fields)
        await in_turns(request.counted())
        opened = await self._calls.open(caller, self._plan(MODERATIONS, request, model), context)
        answer, _ = await opened.complete(
            lambda provider, ref: self._upstream.moderate(provider, _call(request, model, ref.model))
        )
        return answer.body

    def _plan(self, endpoint: str, request: InputRequest, model: Model) -> Plan:
        return Plan(
            endpoint=endpoint,
            model=model,
            bound=request.cost_bound(model, self._calls.markup_basis_points),
            tokens_estimate=request.tokens_estimate(model),
        )


def _call(request: InputRequest, model: Model, upstream_model: str) -> InputCall:
    return InputCall(request, upstream_model, request.tokens_max(model), request.tokens_estimate(model))


def _usage(answer: Completion, cost: str) -> dict[str, Any]:
    tokens = answer.outcome.usage.prompt_tokens
    usage: dict[str, Any] = {"prompt_tokens": tokens, "total_tokens": tokens, "cost": cost}
    if answer.outcome.source is UsageSource.ESTIMATED:
        usage["estimated"] = True
    return usage


# Requests whose whole cost is their input: what they ask for, and how many tokens it can be.

MODERATION_MODEL = "omni-moderation-latest"


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
