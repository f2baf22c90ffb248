"""Tool-call deltas as the SDKs' helpers need them: index always; id, type and name once; arguments a string."""

import secrets
from dataclasses import dataclass
from typing import Any

from .wire_json import encode


@dataclass(slots=True)
class _Call:
    """One tool call of a choice: where it is, what the provider called it, and the name sent so far."""

    index: int
    id: str
    name: str


class ToolDeltas:
    """The tool calls of one choice, in the order in which they began.

    Providers differ: no index at all, index 0 for every call (Gemini), no id, id and name on every delta. A delta
    belongs to the call with its id, else to the latest call at its index, else to the latest call at its position.
    """

    __slots__ = ("_at", "_by_id", "_count")

    def __init__(self) -> None:
        self._by_id: dict[str, _Call] = {}
        self._at: dict[int, _Call] = {}
        self._count = 0

    def normalise(self, delta: dict[str, Any]) -> bool:
        """Rewrite `delta["tool_calls"]` in place; True when a call began in it."""
        entries = delta.get("tool_calls")
        if entries is None:
            return False
        if not isinstance(entries, list):
            del delta["tool_calls"]
            return False
        began = self._count
        delta["tool_calls"] = [
            self._entry(entry, position) for position, entry in enumerate(entries) if isinstance(entry, dict)
        ]
        return self._count != began

    def _entry(self, entry: dict[str, Any], position: int) -> dict[str, Any]:
        call = self._known(entry, position)
        return self._first(entry, position) if call is None else _later(entry, call)

    def _known(self, entry: dict[str, Any], position: int) -> _Call | None:
        call_id, index = _text(entry.get("id")), _index(entry)
        if call_id in self._by_id:
            return self._by_id[call_id]
        call = self._at.get(position if index is None else index)
        if call is None:
            return None
        if call_id:
            return self._adopted(call, call_id) if not call.id and not _name(entry) else None
        named_again = index is None and _name(entry) and call.name
        return None if named_again else call

    def _adopted(self, call: _Call, call_id: str) -> _Call:
        """The id of a call that began without one; the caller has had ours already."""
        call.id = call_id
        self._by_id[call_id] = call
        return call

    def _first(self, entry: dict[str, Any], position: int) -> dict[str, Any]:
        call = _Call(self._count, _text(entry.get("id")), _name(entry))
        self._count += 1
        index = _index(entry)
        self._at[position if index is None else index] = call
        if call.id:
            self._by_id[call.id] = call
        kind = _text(entry.get("type")) or "function"
        return {
            **entry,
            "index": call.index,
            "id": call.id or f"call_{secrets.token_hex(12)}",
            "type": kind,
            **_function(entry, kind),
        }


def complete_calls(message: dict[str, Any]) -> None:
    """The tool calls of a whole message, in place: each with id, type and arguments as text, none with an index."""
    calls = message.get("tool_calls")
    if isinstance(calls, list):
        message["tool_calls"] = [_complete(call) for call in calls if isinstance(call, dict)]


def _complete(call: dict[str, Any]) -> dict[str, Any]:
    one = {"tool_calls": [call]}
    ToolDeltas().normalise(one)
    return {name: value for name, value in one["tool_calls"][0].items() if name != "index"}


def _later(entry: dict[str, Any], call: _Call) -> dict[str, Any]:
    kept = {name: value for name, value in entry.items() if name not in ("id", "type")}
    kind = "custom" if "custom" in entry else "function"
    later = {**kept, "index": call.index, **_function(entry, kind)}
    if kind == "function":
        _say_name_once(later["function"], call)
    return later


def _say_name_once(function: dict[str, Any], call: _Call) -> None:
    """The SDKs concatenate names: a repeat is removed, while another piece of a name is passed on."""
    name = _text(function.pop("name", None))
    if name and name != call.name:
        function["name"] = name
        call.name += name


def _function(entry: dict[str, Any], kind: str) -> dict[str, Any]:
    if kind != "function":
        return {}
    given = entry.get("function")
    function = dict(given) if isinstance(given, dict) else {}
    function["arguments"] = _arguments(function.get("arguments"))
    return {"function": function}


def _arguments(value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else encode(value).decode()


def _index(entry: dict[str, Any]) -> int | None:
    index = entry.get("index")
    return index if isinstance(index, int) and not isinstance(index, bool) and index >= 0 else None


def _name(entry: dict[str, Any]) -> str:
    function = entry.get("function")
    return _text(function.get("name")) if isinstance(function, dict) else ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
