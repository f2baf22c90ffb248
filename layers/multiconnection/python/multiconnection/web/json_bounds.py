"""Bounds of JSON from outside: how deep it may be nested, and how much memory its values may take.

Both are checked before anything walks the values, so that every later walk is shallow and every list is small enough
to be walked without giving way.
"""

from collections.abc import Iterator

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
