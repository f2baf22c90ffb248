"""Speak a text: one path for bare audio and for events, by characters and by tokens, for both of its endpoints."""

from dataclasses import replace
from typing import Any

from multiconnection.domain.catalog import Model, UpstreamRef
from multiconnection.domain.parameters import CHAT, ENDPOINTS, SPEECH
from multiconnection.domain.provider import Provider

from .authenticate import Caller
from .calls import Arrival, Calls, OpenCall, Plan
from .chat_request import wrong_kind
from .framing import NAMED_EVENTS, raw
from .ports import CostOf, UpstreamStream
from .speech_ports import SpeechCall, SpeechUpstream
from .speech_request import SpeechRequest, parse_speech_request, require_speakable
from .streamed import StreamedAnswer

ENDPOINT = SPEECH


class SpeechService:
    """One instance per process."""

    def __init__(self, calls: Calls, upstream: SpeechUpstream) -> None:
        self._calls = calls
        self._upstream = upstream

    async def speak(self, caller: Caller, body: object, arrival: Arrival) -> StreamedAnswer:
        """Run one call up to its first audio; the answer still has to be relayed.

        Raises GatewayError; whatever was reserved is settled by then.
        """
        request = parse_speech_request(body)
        model = await self._calls.find_model(caller, request.model)
        require_speakable(request, model)
        model, fields = self._calls.accept(ENDPOINT, model, request.body)
        request = replace(request, body=fields)
        opened = await self._calls.open(caller, self._plan(request, model), arrival)
        return await self._spoken(opened, request, model)

    async def for_chat(self, caller: Caller, body: dict[str, Any], arrival: Arrival) -> StreamedAnswer | None:
        """The answer to a body with an `input` that came to the chat endpoint; None where chat has to answer it.

        The model decides where a body has `messages` as well. Raises RequestInvalid for a model that takes neither
        `input` there nor was given `messages`, and what `speak` raises.
        """
        name = body.get("model")
        if not isinstance(name, str):
            return None
        model = await self._calls.find_model(caller, name)
        if model.kind == "speech":
            only_chat = ENDPOINTS[CHAT].known - ENDPOINTS[SPEECH].known
            return await self.speak(caller, {key: body[key] for key in body if key not in only_chat}, arrival)
        if body.get("messages") is None:
            raise wrong_kind(model)
        return None

    async def _spoken(self, opened: OpenCall, request: SpeechRequest, model: Model) -> StreamedAnswer:
        media_type = request.media_type

        async def operation(provider: Provider, ref: UpstreamRef, cost_of: CostOf) -> UpstreamStream:
            nonlocal media_type
            spoken = await self._upstream.speak(provider, _call(request, model, ref), cost_of)
            media_type = spoken.media_type
            return spoken.stream

        if request.events:
            return await opened.stream(operation, NAMED_EVENTS)
        answer = await opened.stream(operation, raw(media_type))
        # What the bytes are is the provider's to say, and it has begun to answer by now.
        answer.framing = raw(media_type)
        return answer

    def _plan(self, request: SpeechRequest, model: Model) -> Plan:
        estimate = request.usage_estimate(model)
        return Plan(
            endpoint=ENDPOINT,
            model=model,
            bound=request.cost_bound(model, self._calls.markup_basis_points),
            tokens_estimate=estimate.prompt_tokens + estimate.completion_tokens,
            streamed=True,
        )


def _call(request: SpeechRequest, model: Model, ref: UpstreamRef) -> SpeechCall:
    return SpeechCall(
        body=request.body,
        upstream_model=ref.model,
        audio_format=request.audio_format,
        media_type=request.media_type,
        events=request.events,
        counted=request.counted(model),
        estimate=request.usage_estimate(model),
        usage_max=request.usage_max(model),
    )
