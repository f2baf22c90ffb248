"""A provider as configuration: where it is, how it wants its key, and where it departs from OpenAI."""

import math
from dataclasses import dataclass, field

from .parameters import ParameterPolicy


@dataclass(frozen=True, slots=True)
class Quirks:
    """Where an OpenAI-compatible provider differs (contract, billing corner cases).

    `cached_tokens_field`: "prompt_tokens_details" (OpenAI) or "prompt_cache_hit_tokens" (DeepSeek).
    `completion_is_whole`: completion_tokens are known to hold all that was generated. Elsewhere thinking tokens may be
    in total_tokens or reasoning_tokens only, so output = max(completion, total - prompt).
    `usage_in_x_groq`: usage may sit in `x_groq.usage` of the last chunk.
    `mid_stream_error_billed`: the vendor bills a stream that failed in the middle, so we charge an estimate.
    """

    output_limit_field: str = "max_tokens"
    accepts_stream_options: bool = True
    cached_tokens_field: str = "prompt_tokens_details"
    completion_is_whole: bool = False
    usage_in_x_groq: bool = False
    mid_stream_error_billed: bool = False


@dataclass(frozen=True, slots=True)
class Provider:
    """One configured provider. `auth`: "bearer", "api-key" (Azure's header) or "none".

    `silence_max_s` bounds both time-outs of an answer that is no stream of events: no comment can be sent in it.
    """

    name: str
    base_url: str
    auth: str
    api_key: str | None = field(repr=False)
    connect_timeout_s: float
    first_byte_timeout_s: float
    idle_timeout_s: float
    attempts_max: int
    quirks: Quirks
    silence_max_s: float = math.inf
    parameters: ParameterPolicy = field(default_factory=ParameterPolicy)
