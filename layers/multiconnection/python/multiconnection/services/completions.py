"""Complete a text (OpenAI's legacy endpoint): the chat dialect with texts where chat has messages."""

from dataclasses import replace

from multiconnection.domain.catalog import Model
from multiconnection.domain.parameters import COMPLETIONS

from .authenticate import Caller
from .calls import Arrival, Calls, OpenCall, Plan
from .chat import CompletedChat, answered
from .completions_request import CompletionsRequest, parse_completions_request, require_completions_model
from .ports import ChatCall, ChatUpstream
from .streamed import StreamedAnswer
from .turns import in_turns

ENDPOINT = COMPLETIONS


class CompletionsService:
    """One instance per process."""

    def __init__(self, calls: Calls, upstream: ChatUpstream) -> None:
        self._calls = calls
        self._upstream = upstream

    async def answer(self, caller: Caller, body: object, arrival: Arrival) -> CompletedChat | StreamedAnswer:
        """As `ChatService.answer`."""
        request = parse_completions_request(body)
        model = await self._calls.find_model(caller, request.model)
        require_completions_model(request, model)
        model, fields = self._calls.accept(ENDPOINT, model, request.body)
        request = replace(request, body=fields)
        await in_turns(request.prompts.counted())
        opened = await self._calls.open(caller, self._plan(request, model), arrival)
        return await answered(opened, self._upstream, _upstream_call(request, model, opened))

    def _plan(self, request: CompletionsRequest, model: Model) -> Plan:
        return Plan(
            endpoint=ENDPOINT,
            model=model,
            bound=request.cost_bound(model, self._calls.markup_basis_points),
            limit=request.output_limit,
            tokens_estimate=request.tokens_estimate(model),
            streamed=request.stream,
        )


def _upstream_call(request: CompletionsRequest, model: Model, opened: OpenCall) -> ChatCall:
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
