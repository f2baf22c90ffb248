"""The usage of a call, and how the call was routed and ended."""

from dataclasses import dataclass, field, fields, replace
from enum import StrEnum


class UsageSource(StrEnum):
    """The source of the quantities; `request` means counted exactly in what the caller sent."""

    UPSTREAM = "upstream"
    REQUEST = "request"
    PARTIAL = "partial"
    ESTIMATED = "estimated"
    NONE = "none"


class Ended(StrEnum):
    """The ending of a call, which decides its charge (see docs/ledger.md)."""

    COMPLETE = "complete"
    UPSTREAM_ERROR = "upstream_error"
    EMPTY = "empty"
    MID_STREAM_ERROR = "mid_stream_error"
    DEADLINE = "deadline"
    KILLED = "killed"
    UNDELIVERED = "undelivered"
    INTERNAL_ERROR = "internal_error"


@dataclass(frozen=True, slots=True)
class Usage:
    """Quantities by kind. Each token is counted in exactly one priced field; `reasoning` tokens are part of `output`.

    `images` are priced each, at `image_size` and `image_quality`; images that are priced by their tokens are counted in
    `output_image`.
    """

    input: int = 0
    cached_input: int = 0
    cache_write: int = 0
    input_audio: int = 0
    input_image: int = 0
    output: int = 0
    output_audio: int = 0
    output_image: int = 0
    reasoning: int = 0
    images: int = 0
    characters: int = 0
    milliseconds: int = 0
    image_size: str = ""
    image_quality: str = ""

    @property
    def prompt_tokens(self) -> int:
        return self.input + self.cached_input + self.cache_write + self.input_audio + self.input_image

    @property
    def completion_tokens(self) -> int:
        return self.output + self.output_audio + self.output_image

    def exceeds(self, most: "Usage") -> bool:
        """Return True if prompt tokens, completion tokens or the duration are above those of `most`."""
        return bool(self._above(most))

    def believed(self, most: "Usage", estimate: "Usage") -> "Usage":
        """The part of a reported usage that may be charged: where it is above `most`, the quantities of `estimate`."""
        above = self._above(most)
        return replace(self, **{kind: getattr(estimate, kind) for kind in above}) if above else self

    def _above(self, most: "Usage") -> list[str]:
        """The names of the fields whose total is above that of `most`."""
        above: list[str] = []
        if self.prompt_tokens > most.prompt_tokens:
            above += _PROMPT_KINDS
        if self.completion_tokens > most.completion_tokens:
            above += _COMPLETION_KINDS
        if self.milliseconds > most.milliseconds:
            above.append("milliseconds")
        return above

    def as_openai(self) -> dict[str, object]:
        """The usage object as OpenAI spells it: cached and reasoning tokens are subsets of the totals.

        Quantities other than tokens are left out if they are 0.
        """
        return {
            **self._tokens(),
            **({"images": self.images, "size": self.image_size, "quality": self.image_quality} if self.images else {}),
            **({"characters": self.characters} if self.characters else {}),
            **({"seconds": self.milliseconds / 1000} if self.milliseconds else {}),
        }

    def _tokens(self) -> dict[str, object]:
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "prompt_tokens_details": {
                "cached_tokens": self.cached_input,
                "cache_write_tokens": self.cache_write,
                "audio_tokens": self.input_audio,
                **({"image_tokens": self.input_image} if self.input_image else {}),
            },
            "completion_tokens_details": {
                "reasoning_tokens": self.reasoning,
                "audio_tokens": self.output_audio,
                **({"image_tokens": self.output_image} if self.output_image else {}),
            },
        }

    def nonzero(self) -> dict[str, int]:
        """The quantities that are not 0, for storage."""
        return {name: value for name in USAGE_COUNTS if (value := getattr(self, name))}

    def words(self) -> dict[str, str]:
        """The texts that are not empty, for storage."""
        return {name: value for name in USAGE_WORDS if (value := getattr(self, name))}


_PROMPT_KINDS = ("input", "cached_input", "cache_write", "input_audio", "input_image")
_COMPLETION_KINDS = ("output", "output_audio", "output_image", "reasoning")
USAGE_COUNTS = tuple(field.name for field in fields(Usage) if field.type is int)
USAGE_WORDS = tuple(field.name for field in fields(Usage) if field.type is str)


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed attempt at a provider; `code` is that of our error."""

    provider: str
    code: str
    latency_ms: int


@dataclass(slots=True)
class Attempts:
    """The routing of a call, for its usage row and its metrics.

    `answered_ms` is from the start of the last attempt to its whole answer, or to the first good event of a stream.
    `error_code` is that of an error inside a stream.
    """

    count: int = 0
    provider: str = ""
    answered_ms: int | None = field(default=None, compare=False)
    failures: list[Failure] = field(default_factory=list, compare=False)
    error_code: str = field(default="", compare=False)
