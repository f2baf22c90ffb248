"""Embed texts and moderate them: calls that cost their input and nothing else."""

from collections.abc import Awaitable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from multiconnection.domain.catalog import Model
from multiconnection.domain.parameters import EMBEDDINGS, MODERATIONS
from multiconnection.domain.provider import Provider
from multiconnection.domain.usage import UsageSource

from .authenticate import Caller
from .calls import Arrival, Calls, Plan
from .embeddings_request import (
    InputRequest,
    parse_embeddings_request,
    parse_moderations_request,
    require_kind,
)
from .ports import Completion
from .turns import in_turns


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

    async def embed(self, caller: Caller, body: object, arrival: Arrival) -> dict[str, Any]:
        """The list of embeddings, charged. Raises GatewayError; whatever was reserved is settled by then."""
        request = parse_embeddings_request(body)
        model = await self._calls.find_model(caller, request.model)
        require_kind(request, model, "embedding")
        model, fields = self._calls.accept(EMBEDDINGS, model, request.body)
        request = replace(request, body=fields)
        await in_turns(request.counted())
        opened = await self._calls.open(caller, self._plan(EMBEDDINGS, request, model), arrival)
        answer, cost = await opened.complete(
            lambda provider, ref: self._upstream.embed(provider, _call(request, model, ref.model))
        )
        return answer.body | {"usage": _usage(answer, cost)}

    async def moderate(self, caller: Caller, body: object, arrival: Arrival) -> dict[str, Any]:
        """The verdicts; free where the catalog says so, and still with a usage row. Raises GatewayError."""
        request = parse_moderations_request(body)
        model = await self._calls.find_model(caller, request.model)
        require_kind(request, model, "moderation")
        model, fields = self._calls.accept(MODERATIONS, model, request.body)
        request = replace(request, body=fields)
        await in_turns(request.counted())
        opened = await self._calls.open(caller, self._plan(MODERATIONS, request, model), arrival)
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
