"""A speech request understood: what is to be said, what it costs at most, and what the model cannot do."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from multiconnection.domain.bounds import MESSAGE_OVERHEAD_TOKENS, CostBound, text_tokens_max
from multiconnection.domain.catalog import Model
from multiconnection.domain.errors import ParameterUnsupported, RequestInvalid
from multiconnection.domain.parameters import SPEECH, refuse_costly
from multiconnection.domain.usage import Usage
from multiconnection.schemas.speech import SpeechBody

from .chat_request import wrong_kind
from .embeddings_request import unread
from .validation import invalid

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
