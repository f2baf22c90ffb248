"""One parsed chunk of a stream made to look like OpenAI's, and what it says about each choice."""

import secrets
from dataclasses import dataclass, field
from time import time
from typing import Any

from multiconnection.services.ports import ChatCall

from .estimate import TextAt, texts_of
from .tool_deltas import Call, ToolDeltas

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
