"""What a call consumed, in disjoint kinds: each token is counted in exactly one priced field."""

from dataclasses import dataclass, fields
from enum import StrEnum


class UsageSource(StrEnum):
    """How the quantities became known."""

    UPSTREAM = "upstream"
    PARTIAL = "partial"
    ESTIMATED = "estimated"
    NONE = "none"


class Ended(StrEnum):
    """How the call ended: the line of the endings table that decided the charge."""

    COMPLETE = "complete"
    UPSTREAM_ERROR = "upstream_error"
    EMPTY = "empty"
    MID_STREAM_ERROR = "mid_stream_error"
    DEADLINE = "deadline"
    KILLED = "killed"
    INTERNAL_ERROR = "internal_error"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens by kind; `reasoning` is information only, those tokens are inside `output`."""

    input: int = 0
    cached_input: int = 0
    cache_write: int = 0
    input_audio: int = 0
    input_image: int = 0
    output: int = 0
    output_audio: int = 0
    reasoning: int = 0
    images: int = 0
    characters: int = 0
    milliseconds: int = 0

    @property
    def prompt_tokens(self) -> int:
        return self.input + self.cached_input + self.cache_write + self.input_audio + self.input_image

    @property
    def completion_tokens(self) -> int:
        return self.output + self.output_audio

    def as_openai(self) -> dict[str, object]:
        """The usage object as OpenAI spells it: cached and reasoning tokens are subsets of the totals."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "prompt_tokens_details": {
                "cached_tokens": self.cached_input,
                "cache_write_tokens": self.cache_write,
                "audio_tokens": self.input_audio,
            },
            "completion_tokens_details": {
                "reasoning_tokens": self.reasoning,
                "audio_tokens": self.output_audio,
            },
        }

    def nonzero(self) -> dict[str, int]:
        """The fields that are not 0, for storage."""
        return {name: value for name in USAGE_FIELDS if (value := getattr(self, name))}


USAGE_FIELDS = tuple(field.name for field in fields(Usage))
