"""Speak a text: one path for bare audio and for events, by characters and by tokens, for both of its endpoints."""

from dataclasses import replace
from typing import Any

from multiconnection.calls.pipeline import Calls
from multiconnection.calls.requests import wrong_kind
from multiconnection.calls.streaming import NAMED_EVENTS, StreamedAnswer, raw
from multiconnection.calls.upstream import CostOf, UpstreamStream
from multiconnection.catalog.models import Provider
from multiconnection.catalog.parameters import CHAT, ENDPOINTS, SPEECH
from multiconnection.context import RequestContext
from multiconnection.keys.models import Caller

from .speech_request import SpeechCall, parse_speech_request, require_speech_model
from .speech_upstream import OpenAiSpeech


class SpeechService:
    """One instance per process."""

    def __init__(self, calls: Calls, upstream: OpenAiSpeech) -> None:
        self._calls = calls
        self._upstream = upstream

    async def speak(self, caller: Caller, body: object, context: RequestContext) -> StreamedAnswer:
        """Runs one call up to its first audio; the answer still has to be relayed.

        Raises GatewayError; whatever was reserved is settled by then.
        """
        request = parse_speech_request(body)
        model = await self._calls.find_model(caller, request.model)
        require_speech_model(request, model)
        model, fields = self._calls.accept(SPEECH, model, request.body)
        call = replace(request, body=fields).bind(model, self._calls.markup_basis_points)
        reserved = await self._calls.reserve(caller, call, context)
        media_type = call.media_type

        async def operation(provider: Provider, call: SpeechCall, cost_of: CostOf) -> UpstreamStream:
            nonlocal media_type
            stream, media_type = await self._upstream.speak(provider, call, cost_of)
            return stream

        if call.events:
            return await reserved.stream(operation, NAMED_EVENTS)
        answer = await reserved.stream(operation, raw(media_type))
        # What the bytes are is the provider's to say, and it has begun to answer by now.
        answer.framing = raw(media_type)
        return answer

    async def for_chat(self, caller: Caller, body: dict[str, Any], context: RequestContext) -> StreamedAnswer | None:
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
            return await self.speak(caller, {key: body[key] for key in body if key not in only_chat}, context)
        if body.get("messages") is None:
            raise wrong_kind(model)
        return None
