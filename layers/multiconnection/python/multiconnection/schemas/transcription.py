"""The form of POST /v1/audio/transcriptions and /translations: texts all of them, and unknown ones pass through."""

from typing import Annotated, Literal

from pydantic import Field

from .open import Open

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
