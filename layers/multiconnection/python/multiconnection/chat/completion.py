"""A whole answer as one JSON object: checked, normalised, measured, or turned into the chunks of a stream."""

import secrets
from collections.abc import Iterator
from time import time
from typing import Any

from multiconnection.calls.upstream import ChatCall, Completion
from multiconnection.catalog.models import Provider
from multiconnection.providers.codec import likeliest, outcome_of, shown_usage, take_usage, utf8_length
from multiconnection.providers.errors import answer_body, empty_answer, not_an_answer, reported_error
from multiconnection.usage import UsageSource

from .chunks import COMPLETION, FINISHED_BY_ERROR, Choice, Chunks, Seen, choices_of, estimated_usage, texts_of
from .tool_calls import complete_calls


def completion_of(raw: bytes, provider: Provider, call: ChatCall) -> Completion:
    """Raises UpstreamError."""
    body = completion_body(raw, provider, legacy=call.legacy)
    text_bytes = normalise(body, call) if call.legacy else _normalise(body, call)
    given, reported = likeliest(take_usage(body, provider.quirks), provider.quirks, call.usage_max)
    outcome = outcome_of(reported, call.usage_max, estimated_usage(call, text_bytes))
    if outcome.source is UsageSource.UPSTREAM:
        body["usage"] = shown_usage(given, outcome.usage)
    return Completion(body, outcome)


def completion_body(raw: bytes, provider: Provider, *, legacy: bool = False) -> dict[str, Any]:
    """The JSON object of a 200 answer with something in it; raises UpstreamError."""
    body = answer_body(raw, provider)
    if not isinstance(body.get("choices"), list):
        raise not_an_answer()
    choices = choices_of(body)
    if any(choice.get("finish_reason") == FINISHED_BY_ERROR for choice in choices):
        raise reported_error(None, provider)
    says_something = text_says_something if legacy else _says_something
    if not any(says_something(choice) for choice in choices):
        raise empty_answer()
    return body


def chunks_of(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The answer as a provider that streams would have sent it: each choice, its finish, then the usage."""
    top = {name: value for name, value in body.items() if name not in ("choices", "usage", "x_groq")}
    for position, choice in enumerate(choices_of(body)):
        rest = {name: value for name, value in choice.items() if name not in ("message", "finish_reason", "usage")}
        rest.setdefault("index", position)
        yield {**top, "choices": [{**rest, "delta": _delta(choice), "finish_reason": None}]}
        yield {**top, "choices": [{"index": rest["index"], "delta": {}, "finish_reason": _finish(choice)}]}
    usage: dict[str, Any] = {name: body[name] for name in ("usage", "x_groq") if name in body}
    yield {**top, "choices": [], **usage}


def _delta(choice: dict[str, Any]) -> dict[str, Any]:
    message = _message(choice)
    delta = {name: value for name, value in message.items() if value is not None}
    calls = delta.get("tool_calls")
    if isinstance(calls, list):
        delta["tool_calls"] = [{**call, "index": index} for index, call in enumerate(calls) if isinstance(call, dict)]
    return delta


def _normalise(body: dict[str, Any], call: ChatCall) -> int:
    """In place; returns the UTF-8 bytes of all texts."""
    body["object"] = COMPLETION
    if not isinstance(body.get("id"), str) or not body["id"]:
        body["id"] = f"chatcmpl-{secrets.token_hex(12)}"
    if not isinstance(body.get("created"), int):
        body["created"] = int(time())
    if not isinstance(body.get("model"), str) or not body["model"]:
        body["model"] = call.body.get("model") or call.upstream_model
    body["choices"] = choices_of(body)
    return sum(_normalise_choice(choice, position) for position, choice in enumerate(body["choices"]))


def _normalise_choice(choice: dict[str, Any], position: int) -> int:
    index = choice.get("index")
    if not isinstance(index, int) or isinstance(index, bool):
        choice["index"] = position
    message = choice["message"] = _message(choice)
    message["role"] = "assistant"
    message.setdefault("content", None)
    complete_calls(message)
    choice["finish_reason"] = _finish(choice)
    return sum(utf8_length(holder[name]) for holder, name in texts_of(message))


def _finish(choice: dict[str, Any]) -> str:
    reason = choice.get("finish_reason")
    if isinstance(reason, str) and reason:
        return reason
    return "tool_calls" if _message(choice).get("tool_calls") else "stop"


def _says_something(choice: dict[str, Any]) -> bool:
    message = _message(choice)
    called = message.get("tool_calls") or message.get("function_call") or message.get("audio")
    return bool(choice.get("finish_reason") or called or any(texts_of(message)))


def _message(choice: dict[str, Any]) -> dict[str, Any]:
    message = choice.get("message")
    return message if isinstance(message, dict) else {}


# Legacy completions: the same stream and the same whole answer as chat, with texts where chat has messages.

OBJECT = "text_completion"


class TextChunks(Chunks):
    """The chunks of one text completion."""

    __slots__ = ()
    object_name = OBJECT
    id_prefix = "cmpl"

    def closing(self, index: int) -> dict[str, Any]:
        return {"choices": [{"index": index, "text": "", "logprobs": None, "finish_reason": "stop"}]}

    def normalise_delta(self, choice: dict[str, Any], state: Choice, reason: str | None, seen: Seen) -> None:
        if not isinstance(choice.get("text"), str):
            choice["text"] = ""
        choice.setdefault("logprobs", None)
        if choice["text"]:
            seen.texts.append((choice, "text"))
        seen.failed = seen.failed or reason == FINISHED_BY_ERROR
        if reason and reason != FINISHED_BY_ERROR:
            state.finished = seen.substance = True
        seen.settled = seen.settled and reason is None and not choice["logprobs"]


def text_says_something(choice: dict[str, Any]) -> bool:
    return bool(choice.get("finish_reason") or choice.get("text"))


def normalise(body: dict[str, Any], call: ChatCall) -> int:
    """A whole answer, in place; returns the UTF-8 bytes of all texts."""
    body["object"] = OBJECT
    if not isinstance(body.get("id"), str) or not body["id"]:
        body["id"] = f"cmpl-{secrets.token_hex(12)}"
    if not isinstance(body.get("created"), int):
        body["created"] = int(time())
    if not isinstance(body.get("model"), str) or not body["model"]:
        body["model"] = call.body.get("model") or call.upstream_model
    body["choices"] = choices_of(body)
    return sum(_normalise_text_choice(choice, position) for position, choice in enumerate(body["choices"]))


def text_chunks_of(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The whole answer as a provider that streams would have sent it."""
    top = {name: value for name, value in body.items() if name not in ("choices", "usage", "x_groq")}
    for position, choice in enumerate(choices_of(body)):
        yield {**top, "choices": [{"index": position, "finish_reason": "stop", **choice}]}
    usage: dict[str, Any] = {name: body[name] for name in ("usage", "x_groq") if name in body}
    yield {**top, "choices": [], **usage}


def _normalise_text_choice(choice: dict[str, Any], position: int) -> int:
    index = choice.get("index")
    if not isinstance(index, int) or isinstance(index, bool):
        choice["index"] = position
    if not isinstance(choice.get("text"), str):
        choice["text"] = ""
    choice.setdefault("logprobs", None)
    if not isinstance(choice.get("finish_reason"), str):
        choice["finish_reason"] = "stop"
    return utf8_length(choice["text"])
