"""A whole answer put together from the events with which a provider answers a request for JSON."""

from typing import Any

from multiconnection.catalog.models import Provider
from multiconnection.providers.errors import ENDED_EARLY, empty_answer, error_in, not_an_answer, reported_error
from multiconnection.providers.sse import BOM, DONE, EventSplitter
from multiconnection.providers.usage import likeliest, take_usage
from multiconnection.web.json import decode

from .answers import Chunks, TextChunks, choices_of
from .request import ChatCall

# The beginnings of lines of an event stream.
_EVENT_STREAM = (b"data:", b"event:", b"id:", b"retry:", b":")
# Of a delta: pieces of a text that continues in the next one.
_PIECES = frozenset(
    {"content", "reasoning_content", "reasoning", "refusal", "name", "arguments", "input", "data", "transcript"}
)


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
            else:
                _put(into, name, value)


def _put(holder: dict[Any, Any], name: str, value: object) -> None:
    """A list goes on where the last one ended; of anything else the last counts."""
    if isinstance(value, list) and isinstance(holder.get(name), list):
        holder[name] += value
    elif value is not None:
        holder[name] = value


def _below(holder: dict[Any, Any], name: object) -> dict[Any, Any]:
    inner = holder.get(name)
    if not isinstance(inner, dict):
        inner = holder[name] = {}
    return inner


def _joined(known: dict[str, Any] | None, more: dict[str, Any]) -> dict[str, Any]:
    if known is None:
        return more
    for name, value in more.items():
        _put(known, name, value)
    return known


def is_events(raw: bytes) -> bool:
    return raw.removeprefix(BOM).lstrip().startswith(_EVENT_STREAM)


def assembled(raw: bytes, provider: Provider, call: ChatCall) -> dict[str, Any]:
    """The whole answer as it would have been JSON; raises UpstreamError."""
    splitter = EventSplitter()
    answer = Assembly(provider, call)
    for payload in [*splitter.feed(raw), *splitter.flush()]:
        if payload.strip() == DONE:
            return answer.body()
        answer.add(payload)
    if not answer.chunks.all_finished:
        raise not_an_answer(ENDED_EARLY)
    return answer.body()
