"""The body of POST /v1/audio/speech: types and bounds of what we know; unknown fields pass through."""

from typing import Annotated, Literal

from pydantic import Field

from .open import Object, Open

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
