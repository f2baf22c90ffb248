"""Speak a text: one path for bare audio and for events, by characters and by tokens, for both of its endpoints."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from pydantic import ValidationError

from multiconnection.calls.pipeline import Calls, OpenCall, Plan
from multiconnection.calls.requests import unread, wrong_kind
from multiconnection.calls.streaming import NAMED_EVENTS, StreamedAnswer, raw
from multiconnection.calls.upstream import CostOf, UpstreamStream
from multiconnection.catalog.bounds import MESSAGE_OVERHEAD_TOKENS, CostBound, text_tokens_max
from multiconnection.catalog.models import Model, Provider, UpstreamRef
from multiconnection.catalog.parameters import CHAT, ENDPOINTS, SPEECH, refuse_costly
from multiconnection.context import RequestContext
from multiconnection.errors import ParameterUnsupported, RequestInvalid
from multiconnection.keys.models import Caller
from multiconnection.usage import Usage, UsageSource
from multiconnection.web.validation import invalid

from .schemas import SpeechBody

ENDPOINT = SPEECH


# What speaking needs from a provider.


@dataclass(frozen=True, slots=True)
class SpeechCall:
    """One speech request on its way to one upstream.

    `body` is the caller's JSON object, already validated, not yet rewritten. `counted` is what the call consumes where
    that is known from the request, None where the provider counts tokens; `estimate` stands in when it does not say,
    or says more than `usage_max`.
    `events`: the caller wants named events, not the bare bytes of `audio_format`.
    """

    body: Mapping[str, Any]
    upstream_model: str
    audio_format: str
    media_type: str
    events: bool
    counted: Usage | None
    estimate: Usage
    usage_max: Usage

    @property
    def asks_for_events(self) -> bool:
        """Bare bytes have no room for a usage: whoever is billed by it asks for events."""
        return self.events or self.counted is None


@dataclass(frozen=True, slots=True)
class Spoken:
    """An answer whose first audio has arrived, and what its bytes are."""

    stream: UpstreamStream
    media_type: str


class SpeechUpstream(Protocol):
    """The dialect of a provider."""

    async def speak(self, provider: Provider, call: SpeechCall, cost_of: CostOf) -> Spoken:
        """Returns once the first audio has arrived; raises UpstreamError."""


# A speech request understood: what is to be said, what it costs at most, and what the model cannot do.


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """`body` is what is forwarded; a character is one Unicode code point of `text` as it was received.

    `unread` are fields that the gateway does not know.
    """

    body: Mapping[str, Any]
    model: str
    text: str
    instructions: str
    voice: str
    audio_format: str
    speed: float
    events: bool
    unread: bytes

    @property
    def media_type(self) -> str:
        return MEDIA_TYPES[self.audio_format]

    def counted(self, model: Model) -> Usage | None:
        """What the call consumes, where that is its characters; None where the provider counts tokens."""
        return Usage(characters=len(self.text)) if "characters" in model.prices.units else None

    def usage_max(self, model: Model) -> Usage:
        """The most that the call can consume."""
        return self.counted(model) or Usage(input=self._input_tokens_max(model), output_audio=model.max_output_tokens)

    def usage_estimate(self, model: Model) -> Usage:
        """What a call like this consumes usually, never above the bound; nothing where no tokens are counted."""
        if self.counted(model) is not None:
            return Usage()
        text_bytes = len(self.text.encode())
        said_bytes = text_bytes + len(self.instructions.encode())
        spoken = math.ceil(text_bytes * AUDIO_TOKENS_PER_SECOND / (TEXT_BYTES_PER_SECOND * self.speed))
        return Usage(
            input=min(math.ceil(said_bytes / TEXT_BYTES_PER_TOKEN), self._input_tokens_max(model)),
            output_audio=min(spoken, model.max_output_tokens),
        )

    def cost_bound(self, model: Model, markup_basis_points: int) -> CostBound:
        """All of it is fixed: no provider takes a limit for the length of what it says."""
        return CostBound(model.cost_pico(self.usage_max(model)), 0, 0, markup_basis_points)

    def _input_tokens_max(self, model: Model) -> int:
        texts = sum(map(text_tokens_max, (self.text.encode(), self.instructions.encode(), self.unread)))
        bound = texts + 2 * MESSAGE_OVERHEAD_TOKENS
        return min(bound, model.context_window) if model.context_window else bound


class SpeechService:
    """One instance per process."""

    def __init__(self, calls: Calls, upstream: SpeechUpstream) -> None:
        self._calls = calls
        self._upstream = upstream

    async def speak(self, caller: Caller, body: object, context: RequestContext) -> StreamedAnswer:
        """Run one call up to its first audio; the answer still has to be relayed.

        Raises GatewayError; whatever was reserved is settled by then.
        """
        request = parse_speech_request(body)
        model = await self._calls.find_model(caller, request.model)
        require_speakable(request, model)
        model, fields = self._calls.accept(ENDPOINT, model, request.body)
        request = replace(request, body=fields)
        opened = await self._calls.open(caller, self._plan(request, model), context)
        return await self._spoken(opened, request, model)

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


# Characters are known before the call, exactly and by the rule by which the provider counts them: no estimate.
COUNTED = UsageSource.REQUEST
MODEL_DEFAULT = "tts-1"
FORMAT_DEFAULT = "mp3"
MEDIA_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/opus",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
SPEED_MIN, SPEED_MAX = 0.25, 4.0
SHOWN_CHARACTERS = 64
TEXT_BYTES_PER_TOKEN = 4
# OpenAI: one token for 50 ms of audio that a model makes.
AUDIO_TOKENS_PER_SECOND = 20
# A voice that reads at 150 words a minute; three bytes a character and five characters a second come to the same.
TEXT_BYTES_PER_SECOND = 15


def parse_speech_request(body: object) -> SpeechRequest:
    """Raises RequestInvalid and its kinds, with `param` naming the field as OpenAI does."""
    if not isinstance(body, dict):
        raise RequestInvalid("The request body must be a JSON object.")
    try:
        parsed = SpeechBody.model_validate(body)
    except ValidationError as exc:
        raise invalid(exc) from exc
    if not isinstance(parsed.voice, str):
        raise ParameterUnsupported("Custom voices are not offered: name one of the model's own.", param="voice")
    return SpeechRequest(
        body=body,
        model=parsed.model or MODEL_DEFAULT,
        text=parsed.input,
        instructions=parsed.instructions or "",
        voice=parsed.voice,
        audio_format=parsed.response_format or FORMAT_DEFAULT,
        speed=_speed(parsed.speed),
        events=parsed.stream_format == "sse",
        unread=unread(SPEECH, body),
    )


def require_speakable(request: SpeechRequest, model: Model) -> None:
    """Refuse what the model cannot do, before any money is set aside; raises RequestInvalid kinds."""
    if model.kind != "speech":
        raise wrong_kind(model)
    if model.voices and request.voice not in model.voices:
        asked, offered = request.voice[:SHOWN_CHARACTERS], ", ".join(model.voices)
        raise RequestInvalid(f"`{model.id}` has no voice {asked!r}. Its voices are {offered}.", param="voice")
    refuse_costly(SPEECH, request.body, model)
    if request.events and request.counted(model) is not None:
        raise ParameterUnsupported(
            f"`{model.id}` speaks in bytes only: leave `stream_format` out, or set it to 'audio'.",
            param="stream_format",
        )


def _speed(given: float | None) -> float:
    if given is None:
        return 1.0
    if not SPEED_MIN <= given <= SPEED_MAX:
        raise RequestInvalid(f"Invalid value for 'speed': expected {SPEED_MIN} to {SPEED_MAX:g}.", param="speed")
    return given
