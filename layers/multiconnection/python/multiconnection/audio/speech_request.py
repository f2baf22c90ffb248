"""Speech requests: the text to be spoken, what it costs at most, and what the model cannot do."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from multiconnection.calls.requests import PricedCall, unread, wrong_kind
from multiconnection.catalog.bounds import MESSAGE_OVERHEAD_TOKENS, CostBound, text_tokens_max
from multiconnection.catalog.models import Model
from multiconnection.catalog.parameters import SPEECH, refuse_costly
from multiconnection.errors import ParameterUnsupported, RequestInvalid
from multiconnection.usage import Usage
from multiconnection.web.body import json_object, validated

from .schemas import SpeechBody

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


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechCall(PricedCall):
    """A text on its way to an upstream.

    `body` is the caller's JSON object, already validated, not yet rewritten. `counted` is what the call consumes where
    that is known from the request, None where the provider counts tokens; `estimate` stands in when it does not say,
    or says more than `usage_max`. `events`: the caller wants named events, not the bare bytes of `audio_format`.
    """

    body: Mapping[str, Any]
    audio_format: str
    events: bool
    counted: Usage | None
    estimate: Usage
    usage_max: Usage

    @property
    def media_type(self) -> str:
        return MEDIA_TYPES[self.audio_format]

    @property
    def asks_for_events(self) -> bool:
        """Bare bytes have no room for a usage: a call that is billed by it asks for events."""
        return self.events or self.counted is None


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

    def bind(self, model: Model, markup_basis_points: int) -> SpeechCall:
        """All of the cost is fixed: no provider takes a limit for the length of what it says."""
        counted = Usage(characters=len(self.text)) if priced_by_characters(model) else None
        most, estimate = (counted, Usage()) if counted is not None else self._tokens(model)
        return SpeechCall(
            endpoint=SPEECH,
            model=model,
            bound=CostBound(model.cost_pico(most), 0, 0, markup_basis_points),
            tokens_estimate=estimate.prompt_tokens + estimate.completion_tokens,
            streamed=True,
            body=self.body,
            audio_format=self.audio_format,
            events=self.events,
            counted=counted,
            estimate=estimate,
            usage_max=most,
        )

    def _tokens(self, model: Model) -> tuple[Usage, Usage]:
        """The most that the call can consume, and what a call like this consumes usually."""
        text, instructions = self.text.encode(), self.instructions.encode()
        read_max = sum(map(text_tokens_max, (text, instructions, self.unread))) + 2 * MESSAGE_OVERHEAD_TOKENS
        if model.context_window:
            read_max = min(read_max, model.context_window)
        read = math.ceil((len(text) + len(instructions)) / TEXT_BYTES_PER_TOKEN)
        spoken = math.ceil(len(text) * AUDIO_TOKENS_PER_SECOND / (TEXT_BYTES_PER_SECOND * self.speed))
        return (
            Usage(input=read_max, output_audio=model.max_output_tokens),
            Usage(input=min(read, read_max), output_audio=min(spoken, model.max_output_tokens)),
        )


def parse_speech_request(body: object) -> SpeechRequest:
    """Raises RequestInvalid and its kinds, with `param` naming the field as OpenAI does."""
    fields = json_object(body)
    parsed = validated(SpeechBody, fields)
    if not isinstance(parsed.voice, str):
        raise ParameterUnsupported("Custom voices are not offered: name one of the model's own.", param="voice")
    return SpeechRequest(
        body=fields,
        model=parsed.model or MODEL_DEFAULT,
        text=parsed.input,
        instructions=parsed.instructions or "",
        voice=parsed.voice,
        audio_format=parsed.response_format or FORMAT_DEFAULT,
        speed=_speed(parsed.speed),
        events=parsed.stream_format == "sse",
        unread=unread(SPEECH, fields),
    )


def require_speech_model(request: SpeechRequest, model: Model) -> None:
    """Refuses what the model cannot do, before any money is set aside; raises RequestInvalid kinds."""
    if model.kind != "speech":
        raise wrong_kind(model)
    if model.voices and request.voice not in model.voices:
        asked, offered = request.voice[:SHOWN_CHARACTERS], ", ".join(model.voices)
        raise RequestInvalid(f"`{model.id}` has no voice {asked!r}. Its voices are {offered}.", param="voice")
    refuse_costly(SPEECH, request.body, model)
    if request.events and priced_by_characters(model):
        raise ParameterUnsupported(
            f"`{model.id}` speaks in bytes only: leave `stream_format` out, or set it to 'audio'.",
            param="stream_format",
        )


def priced_by_characters(model: Model) -> bool:
    """True for prices by the text, False for prices by tokens."""
    return "characters" in model.prices.units


def _speed(given: float | None) -> float:
    if given is None:
        return 1.0
    if not SPEED_MIN <= given <= SPEED_MAX:
        raise RequestInvalid(f"Invalid value for 'speed': expected {SPEED_MIN} to {SPEED_MAX:g}.", param="speed")
    return given
