"""Usage objects of the providers: found, checked, brought into disjoint kinds, and shown to the caller."""

from collections.abc import Iterable, Mapping
from typing import Any

from multiconnection.calls.upstream import Outcome
from multiconnection.catalog.models import Quirks
from multiconnection.errors import GatewayError
from multiconnection.usage import Ended, Usage, UsageSource

TOKENS_MAX = 10**9  # no model has such a context: larger figures are counted as this one, which no bound allows
CACHED_BY_FIELD = {
    "prompt_tokens_details": ("prompt_tokens_details", "prompt_cache_hit_tokens"),
    "prompt_cache_hit_tokens": ("prompt_cache_hit_tokens", "prompt_tokens_details"),
}
OPERATORS_ONLY = ("cost", "is_byok")  # prefixes of members about what the operator pays


def take_usage(chunk: dict[str, Any]) -> list[Mapping[str, Any]]:
    """Remove every usage from a chunk or completion; the objects among them, the most authoritative first."""
    found = [chunk.pop("usage", None)]
    x_groq = chunk.get("x_groq")
    if isinstance(x_groq, dict):
        found.append(x_groq.pop("usage", None))
    choices = chunk.get("choices")
    if isinstance(choices, list):
        found.extend(choice.pop("usage", None) for choice in choices if isinstance(choice, dict))
    return [usage for usage in found if isinstance(usage, dict)]


def read_usage(raw: Mapping[str, Any], quirks: Quirks) -> Usage | None:
    """None unless the totals are whole numbers that do not contradict each other; an explicit 0 stays 0."""
    totals = _totals(raw, quirks)
    if totals is None:
        return None
    prompt, completion = totals
    details_in, details_out = details(raw, "prompt_tokens_details"), details(raw, "completion_tokens_details")
    left, cached = _part(prompt, _cached(raw, quirks))
    left, audio = _part(left, detail(details_in.get("audio_tokens")))
    left, image = _part(left, detail(details_in.get("image_tokens")))
    left, written = _part(left, detail(details_in.get("cache_write_tokens")))
    text, spoken = _part(completion, detail(details_out.get("audio_tokens")))
    return Usage(
        input=left,
        cached_input=cached,
        cache_write=written,
        input_audio=audio,
        input_image=image,
        output=text,
        output_audio=spoken,
        reasoning=min(detail(details_out.get("reasoning_tokens")) or 0, completion),
    )


def likeliest(
    given: Iterable[Mapping[str, Any]], quirks: Quirks, most: Usage
) -> tuple[Mapping[str, Any], Usage | None]:
    """The first of several usage objects that can be right, else the first that can be read, and what it says."""
    readable = [(raw, usage) for raw in given if (usage := read_usage(raw, quirks)) is not None]
    return next((one for one in readable if not one[1].exceeds(most)), readable[0] if readable else ({}, None))


def outcome_of(
    reported: Usage | None,
    most: Usage,
    estimate: Usage,
    *,
    ended: Ended = Ended.COMPLETE,
    estimated: UsageSource = UsageSource.ESTIMATED,
    error: GatewayError | None = None,
) -> Outcome:
    """A report is charged; what is not reported, or is above the most that the call can consume, is estimated.

    Each side of a report, what was read and what was made, is believed or not on its own.
    """
    if reported is None:
        return Outcome(estimate, estimated, ended, error)
    usage = reported.believed(most, estimate)
    if usage is reported:
        return Outcome(usage, UsageSource.UPSTREAM, ended, error)
    return Outcome(usage, estimated, ended, error, disbelieved=reported)


def shown_usage(raw: Mapping[str, Any], usage: Usage) -> dict[str, Any]:
    """The provider's members for the caller, agreeing with what is charged, without the operator's own costs."""
    shown = {name: value for name, value in raw.items() if not name.startswith(OPERATORS_ONLY)}
    for name, value in usage.as_openai().items():
        theirs = shown.get(name)
        shown[name] = theirs | value if isinstance(theirs, dict) and isinstance(value, dict) else value
    return shown


def _totals(raw: Mapping[str, Any], quirks: Quirks) -> tuple[int, int] | None:
    """Prompt and completion; one that is absent is what the total says beyond the other.

    Thinking tokens may be in the total only, or, without a total, in a detail that is larger than what it is part of.
    """
    given = [raw.get(name) for name in ("prompt_tokens", "completion_tokens", "total_tokens")]
    prompt, completion, total = (counted(value) for value in given)
    if [prompt, completion, total].count(None) != given.count(None):
        return None
    if prompt is None or completion is None:
        known = completion if prompt is None else prompt
        if known is None or total is None or total < known:
            return None
        return (total - known, known) if prompt is None else (known, total - known)
    if quirks.completion_is_whole:
        return prompt, completion
    if total is not None:
        return prompt, max(completion, total - prompt)
    reasoning = detail(details(raw, "completion_tokens_details").get("reasoning_tokens")) or 0
    return prompt, completion + reasoning if reasoning > completion else completion


def _cached(raw: Mapping[str, Any], quirks: Quirks) -> int | None:
    for name in CACHED_BY_FIELD.get(quirks.cached_tokens_field, ()):
        value = raw.get(name)
        tokens = detail(value.get("cached_tokens") if isinstance(value, dict) else value)
        if tokens is not None:
            return tokens
    return None


def counted(value: object) -> int | None:
    """A total as it was reported, or TOKENS_MAX for more than any; bool is an int in Python and not on the wire."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return None
    return min(value, TOKENS_MAX)


def detail(value: object) -> int | None:
    """A part of a total; one that is nonsense is as if it were absent, so that it makes nothing cheaper."""
    tokens = counted(value)
    return None if tokens == TOKENS_MAX else tokens


def details(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = raw.get(name)
    return found if isinstance(found, dict) else {}


def _part(total: int, part: int | None) -> tuple[int, int]:
    """The rest of the total, and the part, which is never more than there was."""
    taken = min(part or 0, total)
    return total - taken, taken
