"""The bodies of /v1/audio: types and bounds of the fields that we know; unknown fields pass through."""

from typing import Annotated, Literal

from pydantic import Field

from multiconnection.web.validation import Object, Open

# OpenAI's own limits, in characters.
INPUT_CHARACTERS_MAX = 4096
INSTRUCTIONS_CHARACTERS_MAX = 4096


class SpeechBody(Open):
    """POST /v1/audio/speech; a voice is a name, or {"id"} for one of the caller's own making."""

    model: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    input: Annotated[str, Field(min_length=1, max_length=INPUT_CHARACTERS_MAX)]
    voice: str | Object
    instructions: Annotated[str, Field(max_length=INSTRUCTIONS_CHARACTERS_MAX)] | None = None
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] | None = None
    speed: float | None = None
    stream_format: Literal["audio", "sse"] | None = None


class TranscriptionForm(Open):
    """POST /v1/audio/transcriptions and /translations: texts all of them, lists apart."""

    model: Annotated[str, Field(min_length=1, max_length=256)]
    response_format: Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"] | None = None
    stream: Literal["true", "True", "1", "false", "False", "0"] | None = None
    temperature: Annotated[float, Field(strict=False, ge=0, le=1, allow_inf_nan=False)] | None = None
    language: Annotated[str, Field(max_length=64)] | None = None
    prompt: str | None = None
