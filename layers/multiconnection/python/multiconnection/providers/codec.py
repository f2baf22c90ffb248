"""JSON off and onto the wire: orjson, and the standard library where orjson is stricter than real providers are."""

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from multiconnection.calls.upstream import Outcome
from multiconnection.catalog.models import Quirks
from multiconnection.errors import GatewayError
from multiconnection.usage import Ended, Usage, UsageSource
from multiconnection.web.json_bounds import NESTED_TOO_DEEPLY, is_nested_too_deeply, may_be_nested_too_deeply


def decode(raw: bytes) -> Any:
    """Raises ValueError, also for what is nested too deeply to be walked and written.

    Half a surrogate pair per chunk (seen from Python servers) is accepted.
    """
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        value = _decode_leniently(raw)
    if may_be_nested_too_deeply(raw) and is_nested_too_deeply(value):
        raise ValueError(NESTED_TOO_DEEPLY)
    return value


def decode_plain(raw: bytes) -> Any:
    """Like `decode`, but orjson can write the result: half a surrogate pair becomes a question mark."""
    value = decode(raw)
    try:
        orjson.dumps(value)
        return value
    except TypeError:
        return _plain(value)


def encode(value: object) -> bytes:
    """Compact JSON; raises ValueError for what is nested too deeply to write."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return _encode_leniently(value)


def _decode_leniently(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except RecursionError as exc:
        raise ValueError(NESTED_TOO_DEEPLY) from exc


def _encode_leniently(value: object) -> bytes:
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")
    except RecursionError as exc:
        raise ValueError(NESTED_TOO_DEEPLY) from exc


def _plain(value: object) -> Any:
    try:
        plain = orjson.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
        orjson.dumps(plain)
    except (RecursionError, TypeError) as exc:
        raise ValueError(NESTED_TOO_DEEPLY) from exc
    return plain


# Usage objects of the providers: found, checked, brought into disjoint kinds, and shown to the caller.

TOKENS_MAX = 10**9  # no model has such a context: larger figures are counted as this one, which no bound allows
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
    """What is left of the total, and the part, which is never more than there was."""
    taken = min(part or 0, total)
    return total - taken, taken


# Writing multipart/form-data as browsers do (RFC 7578): what providers take files in.

# As HTML 5 has it: nothing of a name can end its header.
_ESCAPES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})


@dataclass(frozen=True, slots=True)
class FilePart:
    """One file under a field's name."""

    name: str
    filename: str
    content_type: str
    data: bytes = field(repr=False)


def form_data(fields: Iterable[tuple[str, str]], files: Iterable[FilePart]) -> tuple[bytes, str]:
    """The body, and its content type with a boundary that nobody can have put into a part beforehand."""
    boundary = f"----MultiConnection{secrets.token_hex(16)}"
    pieces: list[bytes] = []
    for name, text in fields:
        pieces += [_head(boundary, name), b"\r\n\r\n", text.encode("utf-8", "replace"), b"\r\n"]
    for file in files:
        described = f'; filename="{file.filename.translate(_ESCAPES)}"\r\nContent-Type: {file.content_type}\r\n\r\n'
        pieces += [_head(boundary, file.name), described.encode("utf-8", "replace"), file.data, b"\r\n"]
    pieces.append(f"--{boundary}--\r\n".encode())
    return b"".join(pieces), f"multipart/form-data; boundary={boundary}"


def _head(boundary: str, name: str) -> bytes:
    escaped = name.translate(_ESCAPES)
    return f'--{boundary}\r\nContent-Disposition: form-data; name="{escaped}"'.encode("utf-8", "replace")


def utf8_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
