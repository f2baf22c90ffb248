"""The body of POST /v1/audio/speech: types and bounds of what we know; unknown fields pass through."""

from typing import Annotated, Literal

from pydantic import Field

from multiconnection.web.validation import Object, Open

# OpenAI's own limits, in characters.
INPUT_CHARACTERS_MAX = 4096
INSTRUCTIONS_CHARACTERS_MAX = 4096
AudioFormat = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]


class SpeechBody(Open):
    """Request fields as OpenAI spells them; a voice is a name, or {"id"} for one of the caller's own making."""

    model: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    input: Annotated[str, Field(min_length=1, max_length=INPUT_CHARACTERS_MAX)]
    voice: str | Object
    instructions: Annotated[str, Field(max_length=INSTRUCTIONS_CHARACTERS_MAX)] | None = None
    response_format: AudioFormat | None = None
    speed: float | None = None
    stream_format: Literal["audio", "sse"] | None = None


# The form of POST /v1/audio/transcriptions and /translations: texts all of them, and unknown ones pass through.

TranscriptFormat = Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"]
Flag = Literal["true", "True", "1", "false", "False", "0"]


class TranscriptionForm(Open):
    """Request fields as OpenAI spells them, lists apart."""

    model: Annotated[str, Field(min_length=1, max_length=256)]
    response_format: TranscriptFormat | None = None
    stream: Flag | None = None
    temperature: Annotated[float, Field(strict=False, ge=0, le=1, allow_inf_nan=False)] | None = None
    language: Annotated[str, Field(max_length=64)] | None = None
    prompt: str | None = None
