"""Usage objects of the providers: found, checked, brought into disjoint kinds, and shown to the caller."""

from collections.abc import Mapping
from typing import Any

from multiconnection.domain.provider import Quirks
from multiconnection.domain.usage import Usage

TOKENS_MAX = 10**9  # no model has such a context: a larger figure is nonsense, not a bill
CACHED_BY_FIELD = {
    "prompt_tokens_details": ("prompt_tokens_details", "prompt_cache_hit_tokens"),
    "prompt_cache_hit_tokens": ("prompt_cache_hit_tokens", "prompt_tokens_details"),
}
OPERATORS_ONLY = ("cost", "is_byok")  # prefixes of members that tell what the operator pays


def take_usage(chunk: dict[str, Any], quirks: Quirks) -> list[Mapping[str, Any]]:
    """Remove every usage from a chunk or completion; the objects among them, the most authoritative first."""
    found = [chunk.pop("usage", None)]
    x_groq = chunk.get("x_groq")
    if isinstance(x_groq, dict):
        groq_usage = x_groq.pop("usage", None)
        if quirks.usage_in_x_groq:
            found.append(groq_usage)
    choices = chunk.get("choices")
    if isinstance(choices, list):
        found.extend(choice.pop("usage", None) for choice in choices if isinstance(choice, dict))
    return [usage for usage in found if isinstance(usage, dict)]


def read_usage(raw: Mapping[str, Any], quirks: Quirks) -> Usage | None:
    """None unless the totals are whole numbers within reason; an explicit 0 stays 0."""
    prompt, completion = _tokens(raw.get("prompt_tokens")), _completion(raw, quirks)
    if prompt is None or completion is None:
        return None
    details_in, details_out = _details(raw, "prompt_tokens_details"), _details(raw, "completion_tokens_details")
    left, cached = _part(prompt, _cached(raw, quirks))
    left, audio = _part(left, _tokens(details_in.get("audio_tokens")))
    left, image = _part(left, _tokens(details_in.get("image_tokens")))
    left, written = _part(left, _tokens(details_in.get("cache_write_tokens")))
    text, spoken = _part(completion, _tokens(details_out.get("audio_tokens")))
    return Usage(
        input=left,
        cached_input=cached,
        cache_write=written,
        input_audio=audio,
        input_image=image,
        output=text,
        output_audio=spoken,
        reasoning=min(_tokens(details_out.get("reasoning_tokens")) or 0, completion),
    )


def shown_usage(raw: Mapping[str, Any], usage: Usage) -> dict[str, Any]:
    """The provider's members for the caller, agreeing with what is charged, without the operator's own costs."""
    shown = {name: value for name, value in raw.items() if not name.startswith(OPERATORS_ONLY)}
    for name, value in usage.as_openai().items():
        theirs = shown.get(name)
        shown[name] = theirs | value if isinstance(theirs, dict) and isinstance(value, dict) else value
    return shown


def _completion(raw: Mapping[str, Any], quirks: Quirks) -> int | None:
    """With `completion_from_total`, thinking tokens may be in the total only."""
    completion, total = _tokens(raw.get("completion_tokens")), _tokens(raw.get("total_tokens"))
    if raw.get("total_tokens") is not None and total is None:
        return None
    if not quirks.completion_from_total or total is None:
        return completion
    if completion is None and raw.get("completion_tokens") is not None:
        return None
    return max(completion or 0, total - (_tokens(raw.get("prompt_tokens")) or 0))


def _cached(raw: Mapping[str, Any], quirks: Quirks) -> int | None:
    for field in CACHED_BY_FIELD.get(quirks.cached_tokens_field, ()):
        value = raw.get(field)
        tokens = _tokens(value.get("cached_tokens") if isinstance(value, dict) else value)
        if tokens is not None:
            return tokens
    return None


def _tokens(value: object) -> int | None:
    """bool is an int in Python and not on the wire."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= TOKENS_MAX else None


def _details(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    details = raw.get(name)
    return details if isinstance(details, dict) else {}


def _part(total: int, part: int | None) -> tuple[int, int]:
    """What is left of the total, and the part, which is never more than there was."""
    taken = min(part or 0, total)
    return total - taken, taken
