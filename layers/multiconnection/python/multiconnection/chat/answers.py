"""Providers' answers made to look like OpenAI's: the chunks of a stream and whole completions, chat and legacy."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import time
from typing import Any, TypeGuard

from multiconnection.calls.upstream import Completion
from multiconnection.catalog.models import Provider
from multiconnection.providers.errors import (
    ENDED_EARLY,
    answer_body,
    empty_answer,
    error_in,
    not_an_answer,
    reported_error,
)
from multiconnection.providers.sse import BOM, DONE, EventSplitter
from multiconnection.providers.usage import likeliest, outcome_of, shown_usage, take_usage
from multiconnection.usage import Usage, UsageSource
from multiconnection.web.json import decode, utf8_length

from .dialect import FINISHED_BY_ERROR, TextAt, as_texts, called_in, finish_reason, said_elsewhere, texts_of
from .request import ChatCall
from .tool_calls import Call, ToolDeltas, complete_calls

CHUNK = "chat.completion.chunk"
COMPLETION = "chat.completion"
TEXT_COMPLETION = "text_completion"
EVENT_STREAM = (b"data:", b"event:", b"id:", b"retry:", b":")
"""Beginnings of an answer that is events, where JSON was asked for."""
BYTES_PER_TOKEN = 4


# Of a delta: pieces of a text that continues in the next one.
_PIECES = frozenset(
    {"content", "reasoning_content", "reasoning", "refusal", "name", "arguments", "input", "data", "transcript"}
)
_IN_MESSAGE = frozenset({"message", "delta", "finish_reason", "usage"})


@dataclass(slots=True)
class Choice:
    """The state of one choice after the chunks so far. `called`: the finish reason that its calls ask for."""

    role_sent: bool = False
    finished: bool = False
    tools: ToolDeltas | None = None
    called: str = ""


@dataclass(slots=True)
class Seen:
    """The content of one chunk. `settled`: nothing in it is new but its text; `began`: a tool call began.

    `call` is the one tool call of a settled chunk, and whether the provider named it.
    """

    texts: list[TextAt] = field(default_factory=list)
    substance: bool = False
    settled: bool = True
    began: bool = False
    failed: bool = False
    call: tuple[Call, bool] | None = None


class Chunks:
    """The chunks of one answer: fills in what is missing and follows each choice to its finish_reason."""

    __slots__ = ("_by_index", "_choices_max", "_fallback", "_top")
    object_name = CHUNK
    id_prefix = "chatcmpl"

    def __init__(self, call: ChatCall) -> None:
        self._choices_max = max(call.choices, 1)
        self._by_index: dict[int, Choice] = {}
        self._top: dict[str, Any] = {}
        model = call.body.get("model") or call.upstream_model
        self._fallback = {"id": f"{self.id_prefix}-{secrets.token_hex(12)}", "model": model}

    @property
    def any_finished(self) -> bool:
        return any(choice.finished for choice in self._by_index.values())

    @property
    def all_finished(self) -> bool:
        """Every choice that was asked for has come to its end."""
        return len(self._by_index) >= self._choices_max and not self.unfinished

    @property
    def unfinished(self) -> list[int]:
        return [index for index, choice in self._by_index.items() if not choice.finished]

    def normalise(self, chunk: dict[str, Any], choices: list[dict[str, Any]]) -> Seen:
        """Rewrites `chunk` in place; `choices` are its choices, at least one."""
        self.fill(chunk)
        chunk["choices"] = choices
        seen = Seen(settled=len(choices) == 1)
        for position, choice in enumerate(choices):
            self._normalise_choice(choice, position, seen)
        seen.substance = seen.substance or bool(seen.texts)
        return seen

    def fill(self, chunk: dict[str, Any]) -> None:
        """Sets object, and id, created and model as in the first chunk (Azure's has empty ones, others change them)."""
        top = self._top
        if not top:
            given = {name: chunk.get(name) for name in ("id", "model", "created")}
            for name in ("id", "model"):
                top[name] = given[name] if isinstance(given[name], str) and given[name] else self._fallback[name]
            top["created"] = given["created"] if is_count(given["created"]) and given["created"] else int(time())
            top["object"] = self.object_name
        chunk.update(top)

    def closing(self, index: int) -> dict[str, Any]:
        """The finish that a provider forgot before its [DONE]."""
        reason = self._by_index[index].called or "stop"
        return {"choices": [{"index": index, "delta": {}, "finish_reason": reason}]}

    def _normalise_choice(self, choice: dict[str, Any], position: int, seen: Seen) -> None:
        index = self._index(choice, position)
        state = self._by_index.setdefault(index, Choice())
        choice["index"] = index
        choice["finish_reason"] = reason = finish_reason(choice.get("finish_reason"))
        self.normalise_delta(choice, state, reason, seen)

    def normalise_delta(self, choice: dict[str, Any], state: Choice, reason: str | None, seen: Seen) -> None:
        """Rewrites what this chunk adds to one choice."""
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            delta = choice["delta"] = {} if state.role_sent else said_elsewhere(choice)
        as_texts(delta)
        began, seen.call = False, None
        if "tool_calls" in delta:
            tools = state.tools = state.tools or ToolDeltas()
            began, seen.call = tools.normalise(delta), tools.only(delta)
        seen.texts.extend(texts_of(delta))
        self._track(state, delta, reason, seen)
        if reason == "stop" and state.called:
            choice["finish_reason"] = state.called
        seen.began = seen.began or began
        legacy = seen.call is not None and "function_call" in delta
        seen.settled = seen.settled and not began and not legacy and reason is None and not choice.get("logprobs")

    def _track(self, state: Choice, delta: dict[str, Any], reason: str | None, seen: Seen) -> None:
        calls = called_in(delta)
        state.called = state.called or calls
        seen.settled = seen.settled and state.role_sent
        if not state.role_sent:
            delta["role"] = "assistant"
            state.role_sent = True
        else:
            delta.pop("role", None)
        seen.failed = seen.failed or reason == FINISHED_BY_ERROR
        if reason and reason != FINISHED_BY_ERROR:
            state.finished = seen.substance = True
        seen.substance = seen.substance or bool(calls or delta.get("audio"))

    def _index(self, choice: dict[str, Any], position: int) -> int:
        """An index that was never asked for is an error of the provider's, not a new choice."""
        index = choice.get("index")
        if is_count(index) and index < self._choices_max:
            return index
        return min(position, self._choices_max - 1)


class TextChunks(Chunks):
    """The chunks of one legacy completion, whose choices hold a text instead of a delta."""

    __slots__ = ()
    object_name = TEXT_COMPLETION
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


class Assembly:
    """Puts the chunks of a stream together to the answer that a plain request asks for."""

    def __init__(self, provider: Provider, call: ChatCall) -> None:
        self._provider = provider
        self._call = call
        self.chunks = TextChunks(call) if call.legacy else Chunks(call)
        self._choices: dict[Any, dict[Any, Any]] = {}
        self._texts: dict[tuple[object, ...], list[str]] = {}
        self._top: dict[str, Any] = {}
        self._substance = False

    def add(self, payload: bytes) -> None:
        """Raises UpstreamError."""
        try:
            chunk = decode(payload)
        except ValueError as exc:
            raise not_an_answer() from exc
        error = error_in(chunk)
        if error is not None:
            raise reported_error(error, self._provider)
        if not isinstance(chunk, dict):
            raise not_an_answer()
        usages, choices = take_usage(chunk), choices_of(chunk)
        if usages:
            self._top["usage"] = likeliest(usages, self._provider.quirks, self._call.usage_max)[0] or usages[0]
        if not choices:
            return
        seen = self.chunks.normalise(chunk, choices)
        if seen.failed:
            raise reported_error(None, self._provider)
        self._substance = self._substance or seen.substance
        self._top |= {name: value for name, value in chunk.items() if name != "choices"}
        for choice in choices:
            self._add_choice(choice)

    def body(self) -> dict[str, Any]:
        """Raises UpstreamError where nothing has come."""
        if not self._substance:
            raise empty_answer()
        for index in self.chunks.unfinished:
            self._choices[index] |= {"finish_reason": self.chunks.closing(index)["choices"][0]["finish_reason"]}
        for (*path, last), pieces in self._texts.items():
            holder: dict[Any, Any] = self._choices
            for name in path:
                holder = _below(holder, name)
            holder[last] = "".join(pieces)
        choices = [self._choices[index] for index in sorted(self._choices)]
        for choice in choices:
            message = choice.get("message", {})
            if isinstance(message.get("tool_calls"), dict):
                message["tool_calls"] = list(message["tool_calls"].values())
        return {**self._top, "choices": choices}

    def _add_choice(self, choice: dict[str, Any]) -> None:
        index = choice["index"]
        whole = self._choices.setdefault(index, {"index": index, "finish_reason": None, "logprobs": None})
        whole["finish_reason"] = choice["finish_reason"] or whole["finish_reason"]
        if isinstance(choice.get("logprobs"), dict):
            whole["logprobs"] = _joined(whole["logprobs"], choice["logprobs"])
        if self._call.legacy:
            self._texts.setdefault((index, "text"), []).append(choice["text"])
        else:
            self._merge(whole.setdefault("message", {}), choice["delta"], index, "message")

    def _merge(self, into: dict[Any, Any], given: dict[str, Any], *path: object) -> None:
        """Texts are put together at the end, in time linear in the answer; of what is no text the last counts."""
        for name, value in given.items():
            if name == "tool_calls" and isinstance(value, list):
                for call in value:
                    self._merge(_below(_below(into, name), call["index"]), call, *path, name, call["index"])
            elif isinstance(value, dict):
                self._merge(_below(into, name), value, *path, name)
            elif isinstance(value, str) and name in _PIECES:
                into.setdefault(name, "")
                self._texts.setdefault((*path, name), []).append(value)
            elif isinstance(value, list) and isinstance(into.get(name), list):
                into[name] += value
            elif value is not None:
                into[name] = value


def _below(holder: dict[Any, Any], name: object) -> dict[Any, Any]:
    inner = holder.get(name)
    if not isinstance(inner, dict):
        inner = holder[name] = {}
    return inner


def _joined(known: dict[str, Any] | None, more: dict[str, Any]) -> dict[str, Any]:
    if known is None:
        return more
    for name, value in more.items():
        if isinstance(value, list) and isinstance(known.get(name), list):
            known[name] += value
        elif value is not None:
            known[name] = value
    return known


def completion_of(raw: bytes, provider: Provider, call: ChatCall) -> Completion[dict[str, Any]]:
    """A whole answer, normalised and measured; raises UpstreamError."""
    if raw.removeprefix(BOM).lstrip().startswith(EVENT_STREAM):
        body = _assembled(raw, provider, call)
    else:
        body = completion_body(raw, provider, legacy=call.legacy)
    text_bytes = _normalise(body, call)
    given, reported = likeliest(take_usage(body), provider.quirks, call.usage_max)
    outcome = outcome_of(reported, call.usage_max, estimated_usage(call, text_bytes))
    if outcome.source is UsageSource.UPSTREAM:
        body["usage"] = shown_usage(given, outcome.usage)
    return Completion(body, outcome)


def completion_body(raw: bytes, provider: Provider, *, legacy: bool) -> dict[str, Any]:
    """The JSON object of a 200 answer with something in it; raises UpstreamError."""
    body = answer_body(raw, provider)
    if not isinstance(body.get("choices"), list):
        raise not_an_answer()
    choices = choices_of(body)
    if any(finish_reason(choice.get("finish_reason")) == FINISHED_BY_ERROR for choice in choices):
        raise reported_error(None, provider)
    says_something = _text_says_something if legacy else _says_something
    if not any(says_something(choice) for choice in choices):
        raise empty_answer()
    return body


def chunks_of(body: dict[str, Any], *, legacy: bool) -> Iterator[dict[str, Any]]:
    """A whole answer as a provider that streams would have sent it: each choice, its finish, then the usage."""
    top = {name: value for name, value in body.items() if name not in ("choices", "usage", "x_groq")}
    for position, choice in enumerate(choices_of(body)):
        if legacy:
            yield {**top, "choices": [{"index": position, "finish_reason": "stop", **choice}]}
            continue
        rest = {name: value for name, value in choice.items() if name not in _IN_MESSAGE}
        rest.setdefault("index", position)
        yield {**top, "choices": [{**rest, "delta": _delta(choice), "finish_reason": None}]}
        yield {**top, "choices": [{"index": rest["index"], "delta": {}, "finish_reason": _finish(choice)}]}
    usage: dict[str, Any] = {name: body[name] for name in ("usage", "x_groq") if name in body}
    nested = [choice["usage"] for choice in choices_of(body) if isinstance(choice.get("usage"), dict)]
    if nested and not isinstance(usage.get("usage"), dict):
        usage["usage"] = nested[0]
    yield {**top, "choices": [], **usage}


def choices_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    choices = body.get("choices")
    return [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []


def is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def estimated_usage(call: ChatCall, text_bytes: int) -> Usage:
    """From the text that was delivered; never more than the bounds that were sent upstream."""
    output = -(-text_bytes // BYTES_PER_TOKEN)
    return Usage(
        input=min(call.prompt_tokens_estimate, call.prompt_tokens_max),
        output=min(output, call.output_tokens_max * call.choices),
    )


def _normalise(body: dict[str, Any], call: ChatCall) -> int:
    """Rewrites a whole answer in place; returns the UTF-8 bytes of all texts."""
    body["object"] = TEXT_COMPLETION if call.legacy else COMPLETION
    if not isinstance(body.get("id"), str) or not body["id"]:
        body["id"] = f"{'cmpl' if call.legacy else 'chatcmpl'}-{secrets.token_hex(12)}"
    if not is_count(body.get("created")):
        body["created"] = int(time())
    if not isinstance(body.get("model"), str) or not body["model"]:
        body["model"] = call.body.get("model") or call.upstream_model
    body["choices"] = choices = choices_of(body)
    for position, choice in enumerate(choices):
        if not is_count(choice.get("index")):
            choice["index"] = position
    return sum(map(_normalise_text if call.legacy else _normalise_message, choices))


def _normalise_message(choice: dict[str, Any]) -> int:
    message = choice["message"] = _message(choice)
    choice.pop("delta", None)
    message["role"] = "assistant"
    message.setdefault("content", None)
    complete_calls(message)
    choice["finish_reason"] = _finish(choice)
    return sum(utf8_length(holder[name]) for holder, name in texts_of(message))


def _normalise_text(choice: dict[str, Any]) -> int:
    if not isinstance(choice.get("text"), str):
        choice["text"] = ""
    choice.setdefault("logprobs", None)
    choice["finish_reason"] = finish_reason(choice.get("finish_reason")) or "stop"
    return utf8_length(choice["text"])


def _delta(choice: dict[str, Any]) -> dict[str, Any]:
    message = _message(choice)
    delta = {name: value for name, value in message.items() if value is not None}
    calls = delta.get("tool_calls")
    if isinstance(calls, list):
        delta["tool_calls"] = [{**call, "index": index} for index, call in enumerate(calls) if isinstance(call, dict)]
    return delta


def _finish(choice: dict[str, Any]) -> str:
    reason = finish_reason(choice.get("finish_reason")) or "stop"
    return called_in(_message(choice)) or reason if reason == "stop" else reason


def _says_something(choice: dict[str, Any]) -> bool:
    message = _message(choice)
    called = message.get("tool_calls") or message.get("function_call") or message.get("audio")
    return bool(choice.get("finish_reason") or called or any(texts_of(message)))


def _text_says_something(choice: dict[str, Any]) -> bool:
    return bool(choice.get("finish_reason") or choice.get("text"))


def _message(choice: dict[str, Any]) -> dict[str, Any]:
    """The message, with its content and its thoughts as texts; in place, so that this is done once."""
    message = choice.get("message")
    if not isinstance(message, dict):
        message = choice["message"] = said_elsewhere(choice)
    as_texts(message)
    return message


def _assembled(raw: bytes, provider: Provider, call: ChatCall) -> dict[str, Any]:
    """The whole answer of the events with which a provider answers a request for JSON; raises UpstreamError."""
    splitter = EventSplitter()
    answer = Assembly(provider, call)
    for payload in [*splitter.feed(raw), *splitter.flush()]:
        if payload.strip() == DONE:
            return answer.body()
        answer.add(payload)
    if not answer.chunks.all_finished:
        raise not_an_answer(ENDED_EARLY)
    return answer.body()
