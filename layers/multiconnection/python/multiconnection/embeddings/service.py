"""Embeddings and moderations: calls that cost their input and nothing else."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from multiconnection.calls.pipeline import Calls, ReservedCall
from multiconnection.calls.upstream import Completion
from multiconnection.context import RequestContext
from multiconnection.keys.models import Caller
from multiconnection.usage import UsageSource
from multiconnection.web.body import in_turns

from .request import (
    InputCall,
    InputRequest,
    parse_embeddings_request,
    parse_moderations_request,
    require_input_model,
)
from .upstream import OpenAiInputs


class EmbeddingsService:
    """One instance per process."""

    def __init__(self, calls: Calls, upstream: OpenAiInputs) -> None:
        self._calls = calls
        self._upstream = upstream

    async def embed(self, caller: Caller, body: object, context: RequestContext) -> dict[str, Any]:
        """The list of embeddings, charged. Raises GatewayError; whatever was reserved is settled by then."""
        reserved = await self._reserved(caller, parse_embeddings_request(body), context)
        answer, cost = await reserved.complete(self._upstream.embed)
        return answer.body | {"usage": _usage(answer, cost)}

    async def moderate(self, caller: Caller, body: object, context: RequestContext) -> dict[str, Any]:
        """The verdicts; free where the catalog says so, and still with a usage row. Raises GatewayError."""
        reserved = await self._reserved(caller, parse_moderations_request(body), context)
        answer, _ = await reserved.complete(self._upstream.moderate)
        return answer.body

    async def _reserved(
        self, caller: Caller, request: InputRequest, context: RequestContext
    ) -> ReservedCall[InputCall]:
        model = await self._calls.find_model(caller, request.model)
        require_input_model(request, model)
        model, fields = self._calls.accept(request.endpoint, model, request.body)
        await in_turns(request.inputs.counted())
        call = replace(request, body=fields).bind(model, self._calls.markup_basis_points)
        return await self._calls.reserve(caller, call, context)


def _usage(answer: Completion[dict[str, Any]], cost: Decimal) -> dict[str, Any]:
    tokens = answer.outcome.usage.prompt_tokens
    usage: dict[str, Any] = {"prompt_tokens": tokens, "total_tokens": tokens, "cost": cost}
    if answer.outcome.source is UsageSource.ESTIMATED:
        usage["estimated"] = True
    return usage
