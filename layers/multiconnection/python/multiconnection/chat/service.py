"""Complete a chat: what it asks for, under its plan, streamed and not through one path."""

from dataclasses import dataclass, replace
from typing import Any

from multiconnection.calls.pipeline import Calls, OpenCall, Plan
from multiconnection.calls.streaming import CHUNKS, StreamedAnswer
from multiconnection.calls.upstream import ChatCall, ChatUpstream, Completion, CostOf, UpstreamStream
from multiconnection.catalog.models import Model, Provider, UpstreamRef
from multiconnection.catalog.parameters import CHAT, COMPLETIONS
from multiconnection.context import RequestContext
from multiconnection.keys.models import Caller
from multiconnection.turns import in_turns
from multiconnection.uploads.service import UploadService
from multiconnection.usage import UsageSource

from .request import (
    ChatRequest,
    CompletionsRequest,
    chat_request_steps,
    parse_completions_request,
    require_affordable_parameters,
    require_completions_model,
)

ENDPOINT = CHAT


@dataclass(frozen=True, slots=True)
class CompletedChat:
    """A whole answer, already charged."""

    body: dict[str, Any]


class ChatService:
    """One instance per process."""

    def __init__(self, calls: Calls, upstream: ChatUpstream, uploads: UploadService) -> None:
        self._calls = calls
        self._upstream = upstream
        self._uploads = uploads

    async def answer(self, caller: Caller, body: object, context: RequestContext) -> CompletedChat | StreamedAnswer:
        """Run one call up to its whole answer, or up to the first event of a streamed one.

        Raises GatewayError; whatever was reserved is settled by then. A StreamedAnswer still has to be relayed.
        """
        request = await in_turns(chat_request_steps(body))
        model = await self._calls.find_model(caller, request.model)
        require_affordable_parameters(request, model)
        model, fields = self._calls.accept(ENDPOINT, model, request.body)
        # Fields are only ever taken out. A copy would write and count the text of the same body once more.
        if len(fields) < len(request.body):
            request = replace(request, body=fields)
        if request.images:
            body = await self._uploads.resolve_image_parts(caller.account_id, request.body)
            request = replace(request, body=body)
        await in_turns(request.counted(model))
        opened = await self._calls.open(caller, self._plan(request, model), context)
        return await answered(opened, self._upstream, _upstream_call(request, model, opened))

    def _plan(self, request: ChatRequest, model: Model) -> Plan:
        return Plan(
            endpoint=ENDPOINT,
            model=model,
            bound=request.cost_bound(model, self._calls.markup_basis_points),
            limit=request.output_limit,
            tokens_estimate=request.tokens_estimate(model),
            streamed=request.stream,
        )


async def answered(opened: OpenCall, upstream: ChatUpstream, call: ChatCall) -> CompletedChat | StreamedAnswer:
    """The opened call's answer, whole and charged, or as a stream that has to be relayed. Raises GatewayError."""
    if not call.stream:
        completion, cost = await opened.complete(lambda provider, ref: upstream.complete(provider, at(call, ref)))
        return CompletedChat(_with_cost(completion, cost))

    async def operation(provider: Provider, ref: UpstreamRef, cost_of: CostOf) -> UpstreamStream:
        return await upstream.stream(provider, at(call, ref), cost_of)

    return await opened.stream(operation, CHUNKS)


def _upstream_call(request: ChatRequest, model: Model, opened: OpenCall) -> ChatCall:
    return ChatCall(
        body=request.body,
        upstream_model="",
        output_tokens_max=opened.output_tokens,
        prompt_tokens_max=request.prompt_tokens_max(model),
        prompt_tokens_estimate=request.prompt_tokens_estimate(model),
        choices=request.choices,
        stream=request.stream,
        include_usage=request.include_usage,
    )


def at(call: ChatCall, ref: UpstreamRef) -> ChatCall:
    """The call under the model's name at one upstream."""
    return replace(call, upstream_model=ref.model)


def _with_cost(completion: Completion, cost: str) -> dict[str, Any]:
    outcome = completion.outcome
    usage = completion.body.get("usage") or outcome.usage.as_openai()
    extra: dict[str, Any] = {"cost": cost}
    if outcome.source is UsageSource.ESTIMATED:
        extra["estimated"] = True
    return completion.body | {"usage": usage | extra}


# Complete a text (OpenAI's legacy endpoint): the chat dialect with texts where chat has messages.

COMPLETIONS_ENDPOINT = COMPLETIONS


class CompletionsService:
    """One instance per process."""

    def __init__(self, calls: Calls, upstream: ChatUpstream) -> None:
        self._calls = calls
        self._upstream = upstream

    async def answer(self, caller: Caller, body: object, context: RequestContext) -> CompletedChat | StreamedAnswer:
        """As `ChatService.answer`."""
        request = parse_completions_request(body)
        model = await self._calls.find_model(caller, request.model)
        require_completions_model(request, model)
        model, fields = self._calls.accept(COMPLETIONS_ENDPOINT, model, request.body)
        request = replace(request, body=fields)
        await in_turns(request.prompts.counted())
        opened = await self._calls.open(caller, self._plan(request, model), context)
        return await answered(opened, self._upstream, _upstream_completions_call(request, model, opened))

    def _plan(self, request: CompletionsRequest, model: Model) -> Plan:
        return Plan(
            endpoint=COMPLETIONS_ENDPOINT,
            model=model,
            bound=request.cost_bound(model, self._calls.markup_basis_points),
            limit=request.output_limit,
            tokens_estimate=request.tokens_estimate(model),
            streamed=request.stream,
        )


def _upstream_completions_call(request: CompletionsRequest, model: Model, opened: OpenCall) -> ChatCall:
    return ChatCall(
        body=request.body,
        upstream_model="",
        output_tokens_max=opened.output_tokens,
        prompt_tokens_max=request.prompt_tokens_max(model),
        prompt_tokens_estimate=request.prompts.tokens_estimate(model),
        choices=request.choices,
        stream=request.stream,
        include_usage=request.include_usage,
        legacy=True,
        generated=request.generated,
    )
