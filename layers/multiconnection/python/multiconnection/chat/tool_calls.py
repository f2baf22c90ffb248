"""Tool-call deltas as the SDKs' helpers need them: index always; id, type and name once; arguments a string."""

import re
import secrets
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import orjson

from multiconnection.web.json import encode, utf8

# A string of JSON; group 1 takes part where it is still open at the end, and is the half of an escape or nothing.
_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|(\\?\Z))', re.DOTALL)
# Pieces that wait to be looked at, and the size of one that does not wait.
PENDING_MAX = 256
PENDING_BYTES_MAX = 512
_HEADER = frozenset({"index", "id", "type", "function", "custom"})


class Arguments:
    """Follows a call's arguments to the end of their JSON, each piece once, without keeping them."""

    __slots__ = ("_begun", "_crc", "_depth", "_opened", "_pending", "_unclosed")

    def __init__(self) -> None:
        self._begun = False
        self._crc = 0
        self._depth = 0
        self._opened = False
        self._unclosed = ""
        self._pending: list[bytes] = []

    def feed(self, text: str) -> None:
        self._scan_pending()
        self._scan(text)

    def feed_raw(self, text: bytes) -> None:
        """A piece as it stands inside a JSON string; it is looked at when that becomes necessary."""
        self._pending.append(text)
        if len(self._pending) > PENDING_MAX or len(text) > PENDING_BYTES_MAX:
            self._scan_pending()

    @property
    def begun(self) -> bool:
        self._scan_pending()
        return self._begun

    @property
    def complete(self) -> bool:
        """A whole object or list."""
        self._scan_pending()
        return self._opened and not self._depth and not self._unclosed

    def same_as(self, text: str) -> bool:
        """`text` is all that has come so far."""
        self._scan_pending()
        return crc32(utf8(text)) == self._crc

    def _scan_pending(self) -> None:
        if self._pending:
            text = orjson.loads(b'"%b"' % b"".join(self._pending))
            self._pending.clear()
            self._scan(text)

    def _scan(self, text: str) -> None:
        """Strings are skipped, and the brackets between them counted."""
        if not text:
            return
        self._crc = crc32(utf8(text), self._crc)
        parts = _STRING.split(self._unclosed + text)
        rest = parts[-2] if len(parts) > 1 else None
        self._unclosed = "" if rest is None else f'"{rest}'
        between = "".join(parts[::2])
        opening = between.count("{") + between.count("[")
        self._opened = self._opened or opening > 0
        self._depth += opening - between.count("}") - between.count("]")
        self._begun = self._begun or not text.isspace()


@dataclass(slots=True, eq=False)
class Call:
    """One tool call of a choice: where it is, what the provider called it, and what has been sent of it.

    `again`: its name was repeated after its last argument, with nothing else: if arguments follow, they are another
    call's.
    """

    index: int
    id: str
    name: str
    custom: bool
    again: bool = False
    arguments: Arguments = field(default_factory=Arguments)

    @property
    def complete(self) -> bool:
        """There is no more to come; the input of a custom tool is any text, and ends where another call begins."""
        return self.arguments.begun if self.custom else self.arguments.complete

    def passes(self, text: bytes, *, named: bool) -> bool:
        """True when a delta that differs from those before it only in its arguments belongs to this call too."""
        if self.again or (named and self.complete):
            return False
        self.arguments.feed_raw(text)
        return True


class ToolDeltas:
    """The tool calls of one choice, in the order in which they began.

    No single field distinguishes parallel calls: providers leave out indexes or ids, say index 0 or one id for all of
    them, or give every delta an id of its own. The first line that fits decides; "its place" is the latest call at
    the delta's index, without an index that at its position in the list, or the newest call where it is alone there.

    | the delta | belongs to |
    |---|---|
    | has the id of its place | its place; a new call if it is named and its place is complete [1] |
    | has the id of another call, and no index or no name | that call; likewise |
    | has the id of another call, an index and a name | a new call |
    | has no place | a new call |
    | has no name | its place; a new call where that was named again [2] |
    | has a new id and a name | a new call; its place where that has neither id nor arguments yet, and this name |
    | is named, and its place got its name from the same list of deltas | a new call |
    | is named, and its place is complete | a new call, at once or with its first argument [2] |
    | has another name than its place, which has arguments, or has no index | a new call |
    | is named otherwise | its place: the name is repeated, or comes in pieces |

    [1] But a repetition of the whole call, arguments and all, is dropped. [2] The same name without arguments is
    either a repetition or the beginning of another call: what follows decides.
    """

    __slots__ = ("_at", "_by_id", "_calls", "_ids", "_named_here")

    def __init__(self) -> None:
        self._by_id: dict[str, Call] = {}
        self._at: dict[int, Call] = {}
        self._calls: list[Call] = []
        self._ids: set[str] = set()
        self._named_here: set[int] = set()

    def normalise(self, delta: dict[str, Any]) -> bool:
        """Rewrites `delta["tool_calls"]` in place; True when a call began in it."""
        entries = delta.get("tool_calls")
        if entries is None:
            return False
        if not isinstance(entries, list):
            del delta["tool_calls"]
            return False
        began = len(self._calls)
        self._named_here.clear()
        alone = len(entries) == 1
        delta["tool_calls"] = [
            self._entry(entry, position, alone) for position, entry in enumerate(entries) if isinstance(entry, dict)
        ]
        return len(self._calls) != began

    def only(self, delta: dict[str, Any]) -> tuple[Call, bool] | None:
        """The call of a delta of one call that `normalise` wrote, and whether the provider named it there."""
        entries = delta.get("tool_calls")
        return (self._calls[entries[0]["index"]], bool(self._named_here)) if entries and len(entries) == 1 else None

    def _entry(self, entry: dict[str, Any], position: int, alone: bool) -> dict[str, Any]:
        index, name = _index(entry), _name(entry)
        if index is None and alone and self._calls:
            place: Call | None = self._calls[-1]
        else:
            place = self._at.get(position if index is None else index)
        call = self._known(entry, place, index, name)
        if call is None:
            written, call = self._first(entry, position if index is None else index, place)
        else:
            written = _later(entry, call)
        if name:
            self._named_here.add(call.index)
        call.arguments.feed(_text_of(written))
        return written

    def _known(self, entry: dict[str, Any], place: Call | None, index: int | None, name: str) -> Call | None:
        """The call to which the delta belongs, by the table above; None for a new one."""
        call_id = _text(entry.get("id"))
        named = place if place is not None and place.id == call_id else self._by_id.get(call_id)
        if call_id and named is not None:
            if named is not place and index is not None and name:
                return None
            return self._unless_new(entry, named, name) if name and not named.custom else named
        if place is None or (place.again and not name and _has_text(_text_of(entry))):
            return None
        if call_id:
            return self._adopted(place, call_id, name)
        if not name:
            return place
        if place.index in self._named_here:
            return None
        if place.complete:
            return self._unless_new(entry, place, name)
        renamed = place.name and name != place.name and (index is None or place.arguments.begun)
        return None if renamed else place

    def _unless_new(self, entry: dict[str, Any], call: Call, name: str) -> Call | None:
        """`call`, unless that is complete and the named delta begins another one."""
        if not call.complete:
            return call
        text = _text_of(entry)
        if _has_text(text):
            if not (entry.get("id") and name == call.name and call.arguments.same_as(text)):
                return None
            entry["function"] = {}
            return call
        if name != call.name or entry.keys() - _HEADER:
            return None
        call.again = True
        return call

    def _adopted(self, place: Call, call_id: str, name: str) -> Call | None:
        """`place` under an id that came late; the caller has had ours already. None for the first delta of a call."""
        if name and (place.id or name != place.name or place.arguments.begun):
            return None
        if not place.id:
            place.id = call_id
            self._by_id[call_id] = place
        return place

    def _first(self, entry: dict[str, Any], at: int, place: Call | None) -> tuple[dict[str, Any], Call]:
        kind = "custom" if "custom" in entry else _text(entry.get("type")) or "function"
        name = _name(entry)
        if not name and place is not None and place.again:
            name, place.again = place.name, False
            entry = {**entry, "function": {**_holder(entry), "name": name}}
        call = Call(len(self._calls), _text(entry.get("id")), name, custom=kind == "custom")
        self._calls.append(call)
        self._at[at] = call
        if call.id:
            self._by_id[call.id] = call
        written = {**entry, "index": call.index, "id": _unique(call.id, self._ids), "type": kind}
        return written | _function(entry, kind), call


def complete_calls(message: dict[str, Any]) -> None:
    """Rewrites the calls of a whole message in place: each has an id of its own, a type, arguments, and no index."""
    calls = message.get("tool_calls")
    if isinstance(calls, list):
        ids: set[str] = set()
        message["tool_calls"] = [_complete(call, ids) for call in calls if isinstance(call, dict)]


def _complete(call: dict[str, Any], ids: set[str]) -> dict[str, Any]:
    kind = "custom" if "custom" in call else _text(call.get("type")) or "function"
    shown = {name: value for name, value in call.items() if name != "index"}
    return {**shown, "id": _unique(_text(call.get("id")), ids), "type": kind, **_function(call, kind)}


def _unique(call_id: str, ids: set[str]) -> str:
    """The provider's id, or one of ours where it gave none or that of another call."""
    shown = call_id if call_id and call_id not in ids else f"call_{secrets.token_hex(12)}"
    ids.add(shown)
    return shown


def _later(entry: dict[str, Any], call: Call) -> dict[str, Any]:
    kept = {name: value for name, value in entry.items() if name not in ("id", "type")}
    kind = "custom" if "custom" in entry else "function"
    later = {**kept, "index": call.index, **_function(entry, kind)}
    if kind == "custom":
        later["custom"] = dict(_holder(entry))
    _send_name_once(later[kind], call)
    return later


def _send_name_once(function: dict[str, Any], call: Call) -> None:
    """The SDKs concatenate names: a repeat is removed, while another piece of a name is passed on."""
    name = _text(function.pop("name", None))
    if name and name != call.name:
        function["name"] = name
        call.name += name


def _function(entry: dict[str, Any], kind: str) -> dict[str, Any]:
    if kind != "function":
        return {}
    function = dict(_holder(entry))
    function["arguments"] = _arguments(function.get("arguments"))
    return {"function": function}


def _holder(entry: dict[str, Any]) -> dict[str, Any]:
    """The object that holds the name and the arguments, or the input of a custom tool."""
    given = entry.get("custom" if "custom" in entry else "function")
    return given if isinstance(given, dict) else {}


def _text_of(entry: dict[str, Any]) -> str:
    """The piece of the arguments, or of the input, in a delta."""
    holder = _holder(entry)
    return _text(holder.get("input")) if "custom" in entry else _arguments(holder.get("arguments"))


def _has_text(text: str) -> bool:
    return bool(text) and not text.isspace()


def _arguments(value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else encode(value).decode()


def _index(entry: dict[str, Any]) -> int | None:
    index = entry.get("index")
    return index if isinstance(index, int) and not isinstance(index, bool) and index >= 0 else None


def _name(entry: dict[str, Any]) -> str:
    return _text(_holder(entry).get("name"))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
