"""Chat and legacy completions: one path for both, streamed and whole."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Protocol

from multiconnection.calls.pipeline import Calls
from multiconnection.calls.streaming import CHUNKS, StreamedAnswer
from multiconnection.calls.upstream import Completion, CostOf, UpstreamStream
from multiconnection.catalog.models import Provider
from multiconnection.catalog.parameters import CHAT, COMPLETIONS
from multiconnection.context import RequestContext
from multiconnection.keys.models import Caller
from multiconnection.uploads.service import UploadService
from multiconnection.usage import UsageSource
from multiconnection.web.body import in_turns

from .request import (
    ChatCall,
    chat_request_steps,
    parse_completions_request,
    require_affordable_parameters,
    require_completions_model,
)

ChatAnswer = Mapping[str, Any] | StreamedAnswer
"""The JSON object of a whole answer, already charged, or a stream that has to be relayed."""


class ChatUpstream(Protocol):
    """The dialect of a provider."""

    async def complete(self, provider: Provider, call: ChatCall) -> Completion[dict[str, Any]]:
        """The provider's JSON object with a normalised `usage` or none. Raises UpstreamError."""

    async def stream(self, provider: Provider, call: ChatCall, cost_of: CostOf) -> UpstreamStream:
        """Returns once the first event is known to be good; raises UpstreamError."""


class ChatService:
    """One instance per process."""

    def __init__(self, calls: Calls, upstream: ChatUpstream, uploads: UploadService) -> None:
        self._calls = calls
        self._upstream = upstream
        self._uploads = uploads

    async def answer(self, caller: Caller, body: object, context: RequestContext) -> ChatAnswer:
        """Runs one call up to its whole answer, or up to the first event of a streamed one.

        Raises GatewayError; whatever was reserved is settled by then.
        """
        request = await in_turns(chat_request_steps(body))
        model = await self._calls.find_model(caller, request.model)
        require_affordable_parameters(request, model)
        model, fields = self._calls.accept(CHAT, model, request.body)
        # Fields are only ever taken out. A copy would write and count the text of the same body once more.
        if len(fields) < len(request.body):
            request = replace(request, body=fields)
        if request.images:
            resolved = await self._uploads.resolve_image_parts(caller.account_id, request.body)
            request = replace(request, body=resolved)
        await in_turns(request.counted(model))
        return await self._answered(caller, request.bind(model, self._calls.markup_basis_points), context)

    async def complete(self, caller: Caller, body: object, context: RequestContext) -> ChatAnswer:
        """Like `answer`, for OpenAI's legacy endpoint: texts where chat has messages."""
        request = parse_completions_request(body)
        model = await self._calls.find_model(caller, request.model)
        require_completions_model(request, model)
        model, fields = self._calls.accept(COMPLETIONS, model, request.body)
        request = replace(request, body=fields)
        await in_turns(request.prompts.counted())
        return await self._answered(caller, request.bind(model, self._calls.markup_basis_points), context)

    async def _answered(self, caller: Caller, call: ChatCall, context: RequestContext) -> ChatAnswer:
        reserved = await self._calls.reserve(caller, call, context)
        if call.streamed:
            return await reserved.stream(self._upstream.stream, CHUNKS)
        completion, cost = await reserved.complete(self._upstream.complete)
        return _with_cost(completion, cost)


def _with_cost(completion: Completion[dict[str, Any]], cost: Decimal) -> dict[str, Any]:
    outcome = completion.outcome
    usage = completion.body.get("usage") or outcome.usage.as_openai()
    extra: dict[str, Any] = {"cost": cost}
    if outcome.source is UsageSource.ESTIMATED:
        extra["estimated"] = True
    return completion.body | {"usage": usage | extra}
