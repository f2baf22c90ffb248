"""The OpenAPI document's part about speech, transcriptions and translations; no function imports it."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from multiconnection.web.openapi import EVENTS, FORM, PAID, AnswerModel, Cost, answers, refuses, takes

from . import routes
from .schemas import SpeechBody, TranscriptionForm
from .speech_request import MEDIA_TYPES

AudioData = Annotated[bytes, Field(description="The file, or the reference `upload://…` of POST /v1/uploads as text")]


class TranslationUpload(TranscriptionForm):
    """A form with one file."""

    file: AudioData


class TranscriptionUpload(TranslationUpload):
    timestamp_granularities: Annotated[list[str] | None, Field(alias="timestamp_granularities[]")] = None


class AudioUsage(AnswerModel):
    """Seconds or tokens, as the model is priced."""

    type: Literal["duration", "tokens"]
    seconds: float | None = None
    input_tokens: int | None = None
    input_token_details: dict[str, Any] | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cost: Cost
    estimated: Literal[True] | None = None


class TranscriptionAnswer(AnswerModel):
    """`json`, `verbose_json` and `diarized_json`; other formats are plain text. What a provider adds is passed on."""

    text: str
    task: str | None = None
    language: str | None = None
    duration: float | str | None = None
    segments: list[dict[str, Any]] | None = None
    words: list[dict[str, Any]] | None = None
    logprobs: list[dict[str, Any]] | None = None
    usage: AudioUsage


class TranscriptionEvent(AnswerModel):
    """`transcript.text.delta` has a `delta`; the last event, `transcript.text.done`, has the text and the usage."""

    type: str
    delta: str | None = None
    text: str | None = None
    usage: AudioUsage | None = None


class SpeechUsage(AnswerModel):
    input_tokens: int
    output_tokens: int
    total_tokens: int
    cost: Cost
    estimated: Literal[True] | None = None


class SpeechEvent(AnswerModel):
    """`speech.audio.delta` has `audio` in base64; the last event, `speech.audio.done`, has the usage."""

    type: Literal["speech.audio.delta", "speech.audio.done"]
    audio: str | None = None
    usage: SpeechUsage | None = None


router = APIRouter(tags=["Audio"])
router.add_api_route(
    "/v1/audio/speech",
    routes.create_speech,
    methods=["POST"],
    summary="Create speech",
    response_class=Response,
    response_model=None,
    responses={**refuses(*PAID), **answers({**dict.fromkeys(MEDIA_TYPES.values()), EVENTS: SpeechEvent})},
    openapi_extra=takes(SpeechBody),
)
router.add_api_route(
    "/v1/audio/transcriptions",
    routes.create_transcription,
    methods=["POST"],
    summary="Transcribe audio",
    response_model=TranscriptionAnswer,
    responses={**refuses(*PAID), **answers({"text/plain": None, EVENTS: TranscriptionEvent})},
    openapi_extra=takes(TranscriptionUpload, FORM),
)
router.add_api_route(
    "/v1/audio/translations",
    routes.create_translation,
    methods=["POST"],
    summary="Translate audio into English",
    response_model=TranscriptionAnswer,
    responses={**refuses(*PAID), **answers({"text/plain": None, EVENTS: TranscriptionEvent})},
    openapi_extra=takes(TranslationUpload, FORM),
)
