"""JSON from outside: parsed and written, with bounds on how deep it is nested and how much memory it takes.

orjson, and the standard library where orjson is stricter than real providers are. The bounds are checked before
anything walks the values, so that every later walk is shallow and every list is small enough to be walked without
giving way.
"""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import orjson

# orjson reads 1,024 levels and writes 254, and a recursive Python function fails after some 300. The gateway wraps a
# value in a few levels of its own.
NESTING_MAX = 200
NESTED_TOO_DEEPLY = f"nested more than {NESTING_MAX} levels deep"
# 600,000 tokens, or 100,000 messages with a short text each, take about as much.
TREE_BYTES_MAX = 48 * 1024 * 1024
# Bytes of a value in CPython, its slot in the container included: `{"a":…}`, `[…]`, a string per two quotes, a number.
_BYTES = {b"{": 208, b"[": 88, b'"': 24, b",": 40}
# The most bytes that one byte of JSON can stand for.
DENSEST = 208
_SLICE_BYTES = 64 * 1024
_CONTAINERS = frozenset({list, dict})


def decode(raw: bytes) -> Any:
    """The value of JSON; raises ValueError, also for what is nested too deeply to be walked and written.

    What real providers send is accepted: half a surrogate pair per chunk, control characters that nobody escaped,
    bytes that are no UTF-8.
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
    """Compact JSON; raises ValueError for what is nested too deeply to write.

    A Decimal is a number with its own digits.
    """
    try:
        return orjson.dumps(value, default=_digits)
    except TypeError:
        return _encode_leniently(value)


def utf8(text: str) -> bytes:
    """The bytes of a string, which may hold half a surrogate pair."""
    return text.encode("utf-8", "surrogatepass")


def utf8_length(text: str) -> int:
    return len(text) if text.isascii() else len(utf8(text))


def is_nested_too_deeply(value: object) -> bool:
    """Walks level by level, in time linear in the size of `value`."""
    level = [value] if isinstance(value, list | dict) else []
    for _ in range(NESTING_MAX):
        if not level:
            return False
        below: list[list[object] | dict[str, object]] = []
        for node in level:
            if isinstance(node, dict):
                below += [child for child in node.values() if type(child) in _CONTAINERS]
            elif not _CONTAINERS.isdisjoint(map(type, node)):
                below += [child for child in node if type(child) in _CONTAINERS]
        level = below
    return bool(level)


def may_be_nested_too_deeply(raw: bytes) -> bool:
    """A cheap test that rules out most bodies."""
    return raw.count(b"[") + raw.count(b"{") > NESTING_MAX


def tree_is_too_large(raw: bytes) -> bool:
    """Estimates, without building a value, if the values take more than TREE_BYTES_MAX besides their characters.

    A body that is small enough whatever it contains, or whose strings hold few structural characters, passes after a
    few fast counts.
    """
    if len(raw) * DENSEST <= TREE_BYTES_MAX or _fits(_slices(raw)):
        return False
    return not _fits(_outside_strings(raw))


def _decode_leniently(raw: bytes) -> Any:
    try:
        text = raw.decode("utf-8-sig", "surrogatepass")
    except UnicodeDecodeError:
        text = raw.decode("utf-8-sig", "replace")
    try:
        return json.loads(text, strict=False)
    except RecursionError as exc:
        raise ValueError(NESTED_TOO_DEEPLY) from exc


def _encode_leniently(value: object) -> bytes:
    try:
        # Without its zeros at the end a float of up to 15 digits is written as the decimal number that it was.
        text = json.dumps(value, separators=(",", ":"), allow_nan=False, default=_float)
        return text.encode("ascii")
    except RecursionError as exc:
        raise ValueError(NESTED_TOO_DEEPLY) from exc


def _digits(value: object) -> orjson.Fragment:
    if isinstance(value, Decimal):
        return orjson.Fragment(f"{value:f}")
    raise TypeError(value)


def _float(value: object) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise ValueError(f"not JSON: {type(value)}")


def _plain(value: object) -> Any:
    try:
        plain = orjson.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
        orjson.dumps(plain)
    except (RecursionError, TypeError) as exc:
        raise ValueError(NESTED_TOO_DEEPLY) from exc
    return plain


def _fits(pieces: Iterator[bytes]) -> bool:
    left = TREE_BYTES_MAX
    for piece in pieces:
        left -= sum(piece.count(sign) * each for sign, each in _BYTES.items())
        if left < 0:
            return False
    return True


def _slices(raw: bytes) -> Iterator[bytes]:
    return (raw[start : start + _SLICE_BYTES] for start in range(0, len(raw), _SLICE_BYTES))


def _outside_strings(raw: bytes) -> Iterator[bytes]:
    """Structure, numbers and quotes, in pieces. Wrong after a syntax error, where no value is built anyway."""
    plain = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    inside = 0
    for piece in _slices(plain):
        parts = piece.split(b'"')
        yield b"".join(parts[inside::2]) + b'"' * (len(parts) - 1)
        inside ^= (len(parts) - 1) & 1
