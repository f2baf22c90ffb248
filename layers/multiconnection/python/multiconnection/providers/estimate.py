"""Tokens when a provider does not say: from the text that was delivered, four UTF-8 bytes each."""

from collections.abc import Iterator
from typing import Any

from multiconnection.domain.usage import Usage
from multiconnection.services.ports import ChatCall

BYTES_PER_TOKEN = 4

TextAt = tuple[dict[str, Any], str]
"""Where a delivered text is: the object that holds it and the member's name."""


def estimated_usage(call: ChatCall, text_bytes: int) -> Usage:
    """Never more than the bounds that were sent upstream."""
    output = -(-text_bytes // BYTES_PER_TOKEN)
    return Usage(
        input=min(call.prompt_tokens_estimate, call.prompt_tokens_max),
        output=min(output, call.output_tokens_max * call.choices),
    )


def utf8_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def texts_of(delta: dict[str, Any]) -> Iterator[TextAt]:
    """Every non-empty text of a delta or message: content, thoughts, refusal, calls, transcript."""
    yield from _member(delta, "content")
    # Some servers send the same thought under both names: it was generated once.
    yield from _member(delta, "reasoning_content" if delta.get("reasoning_content") else "reasoning")
    yield from _member(delta, "refusal")
    for holder in _callables(delta):
        yield from _member(holder, "name")
        yield from _member(holder, "arguments")
        yield from _member(holder, "input")
    audio = delta.get("audio")
    if isinstance(audio, dict):
        yield from _member(audio, "transcript")


def _member(holder: dict[str, Any], name: str) -> Iterator[TextAt]:
    value = holder.get(name)
    if isinstance(value, str):
        if value:
            yield holder, name
    elif isinstance(value, list):
        yield from _parts(value)


def _parts(parts: list[Any]) -> Iterator[TextAt]:
    """Content as a list: text parts, and thinking parts that hold a list of their own (Mistral)."""
    for part in parts:
        if isinstance(part, dict):
            yield from _member(part, "text")
            yield from _member(part, "thinking")


def _callables(delta: dict[str, Any]) -> Iterator[dict[str, Any]]:
    calls = delta.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        if isinstance(call, dict):
            yield from (call[kind] for kind in ("function", "custom") if isinstance(call.get(kind), dict))
    legacy = delta.get("function_call")
    if isinstance(legacy, dict):
        yield legacy
