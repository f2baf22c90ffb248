"""One parsed chunk of a stream made to look like OpenAI's, and what it says about each choice."""

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import time
from typing import Any

import orjson

from multiconnection.calls.upstream import ChatCall
from multiconnection.providers.codec import decode
from multiconnection.usage import Usage

from .tool_calls import Call, ToolDeltas

CHUNK = "chat.completion.chunk"
COMPLETION = "chat.completion"
FINISHED_BY_ERROR = "error"


@dataclass(slots=True)
class Choice:
    """What one choice has sent so far."""

    role_sent: bool = False
    finished: bool = False
    tools: ToolDeltas = field(default_factory=ToolDeltas)
    called_tools: bool = False


# Tokens when a provider does not say: from the text that was delivered, four UTF-8 bytes each.

TextAt = tuple[dict[str, Any], str]
"""Where a delivered text is: the object that holds it and the member's name."""


@dataclass(slots=True)
class Seen:
    """What one chunk contained. `settled`: it told nothing new but its text; `began`: a tool call began.

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
        """Rewrite `chunk` in place; `choices` are its choices, at least one."""
        self.fill(chunk)
        chunk["choices"] = choices
        seen = Seen(settled=len(choices) == 1)
        for position, choice in enumerate(choices):
            self._normalise_choice(choice, position, seen)
        seen.substance = seen.substance or bool(seen.texts)
        return seen

    def fill(self, chunk: dict[str, Any]) -> None:
        """id, object, created and model as first seen (Azure's first chunk has empty ones)."""
        top = self._top
        chunk["object"] = self.object_name
        for name in ("id", "model"):
            if isinstance(chunk.get(name), str) and chunk[name]:
                top.setdefault(name, chunk[name])
            else:
                chunk[name] = top.setdefault(name, self._fallback[name])
        if isinstance(chunk.get("created"), int) and chunk["created"]:
            top.setdefault("created", chunk["created"])
        else:
            chunk["created"] = top.setdefault("created", int(time()))

    def closing(self, index: int) -> dict[str, Any]:
        """The finish that a provider forgot before its [DONE]."""
        reason = "tool_calls" if self._by_index[index].called_tools else "stop"
        return {"choices": [{"index": index, "delta": {}, "finish_reason": reason}]}

    def _normalise_choice(self, choice: dict[str, Any], position: int, seen: Seen) -> None:
        index = self._index(choice, position)
        state = self._by_index.setdefault(index, Choice())
        choice["index"] = index
        reason = choice.get("finish_reason")
        choice["finish_reason"] = reason = reason if isinstance(reason, str) and reason else None
        self.normalise_delta(choice, state, reason, seen)

    def normalise_delta(self, choice: dict[str, Any], state: Choice, reason: str | None, seen: Seen) -> None:
        """What this chunk adds to one choice."""
        delta = choice.get("delta")
        delta = choice["delta"] = delta if isinstance(delta, dict) else {}
        began = state.tools.normalise(delta)
        seen.texts.extend(texts_of(delta))
        self._track(state, delta, reason, seen)
        seen.began = seen.began or began
        seen.call = state.tools.only(delta)
        legacy = seen.call is not None and "function_call" in delta
        seen.settled = seen.settled and not began and not legacy and reason is None and not choice.get("logprobs")

    def _track(self, state: Choice, delta: dict[str, Any], reason: str | None, seen: Seen) -> None:
        calls = bool(delta.get("tool_calls") or delta.get("function_call"))
        state.called_tools = state.called_tools or calls
        seen.settled = seen.settled and state.role_sent
        if not state.role_sent:
            delta["role"] = "assistant"
            state.role_sent = True
        else:
            delta.pop("role", None)
        seen.failed = seen.failed or reason == FINISHED_BY_ERROR
        if reason and reason != FINISHED_BY_ERROR:
            state.finished = seen.substance = True
        seen.substance = seen.substance or calls or bool(delta.get("audio"))

    def _index(self, choice: dict[str, Any], position: int) -> int:
        """An index that was never asked for is an error of the provider's, not a new choice."""
        index = choice.get("index")
        if isinstance(index, int) and not isinstance(index, bool) and 0 <= index < self._choices_max:
            return index
        return min(position, self._choices_max - 1)


def choices_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    choices = body.get("choices")
    return [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []


BYTES_PER_TOKEN = 4


def estimated_usage(call: ChatCall, text_bytes: int) -> Usage:
    """Never more than the bounds that were sent upstream."""
    output = -(-text_bytes // BYTES_PER_TOKEN)
    return Usage(
        input=min(call.prompt_tokens_estimate, call.prompt_tokens_max),
        output=min(output, call.output_tokens_max * call.choices),
    )


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


# The fast path of a stream: a chunk that differs from one already understood only inside its text.

HOLE = "\ue000multiconnection\ue000"
_HOLE = orjson.dumps(HOLE)[1:-1]
_PADDING = b',"obfuscation":"'
LEARNABLE_BYTES_MAX = 16 * 1024
_VALUES = {
    name: re.compile(rb'"%s"\s*:\s*"((?:[^"\\]|\\.)*)"' % name.encode())
    for name in ("content", "reasoning_content", "reasoning", "refusal", "arguments", "text")
}


@dataclass(frozen=True, slots=True)
class Template:
    """What surrounds the text in a provider's chunk, and what surrounds it in ours.

    The bytes around the text equal those of a chunk that was parsed and rewritten, and the text is a whole JSON
    string: so the chunk has the same structure, and rewriting it is putting its text between our bytes. Where the text
    is a piece of a tool call's arguments, `call` is asked first, and a delta that is `named` may begin another call.
    """

    head: bytes
    tail: bytes
    head_shown: bytes
    tail_shown: bytes
    call: Call | None = None
    named: bool = False

    def text_of(self, raw: bytes) -> bytes | None:
        """The text as it stands in `raw`, escapes included; None when `raw` is anything else than this template."""
        head, tail = self.head, self.tail
        if not raw.startswith(head) or not raw.endswith(tail):
            return None
        start, end = len(head), len(raw) - len(tail)
        if end < start:
            return None
        text = raw[start:end]
        try:
            orjson.loads(b'"%b"' % text)
        except orjson.JSONDecodeError:
            return None
        return text


def learn(
    raw: bytes, member: str, text: str, shown: bytes, call: Call | None = None, *, named: bool = False
) -> Template | None:
    """`raw` came with `text` in `member`; `shown` is our event for it with HOLE instead of the text."""
    pattern = _VALUES.get(member)
    if pattern is None or len(raw) > LEARNABLE_BYTES_MAX or shown.count(_HOLE) != 1:
        return None
    found = list(pattern.finditer(raw))
    if len(found) != 1 or decode(b'"%b"' % found[0][1]) != text:
        return None
    head_shown, tail_shown = shown.split(_HOLE)
    return Template(raw[: found[0].start(1)], raw[found[0].end(1) :], head_shown, tail_shown, call, named)


def text_length(text: bytes) -> int:
    """UTF-8 bytes of a JSON string's text."""
    return len(text) if b"\\" not in text else len(orjson.loads(b'"%b"' % text).encode())


def without_padding(raw: bytes) -> tuple[bytes, bytes]:
    """A chunk and its last member, when that is OpenAI's random `obfuscation`: it differs on every chunk."""
    at = raw.rfind(_PADDING)
    if at < 0 or not raw[at + len(_PADDING) : -2].isalnum():
        return raw, b""
    return raw[:at] + b"}", raw[at:]
