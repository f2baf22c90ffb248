"""Bounds of JSON that others wrote: how deep it may be nested, and how much memory its values may take.

Both are looked at before anything walks the values, so that every walk behind them is shallow and every list is small
enough to be looked through at once.
"""

from collections.abc import Iterator

# orjson reads 1,024 levels and writes 254, and Python functions that walk a value call themselves some 300 times
# before they fail. What we put around a value of others has a few levels more.
NESTING_MAX = 200
NESTED_TOO_DEEPLY = f"nested more than {NESTING_MAX} levels deep"
# 600,000 tokens, or 100,000 messages with a short text each, take about as much.
TREE_BYTES_MAX = 48 * 1024 * 1024
# What a value takes in CPython, with its place in what holds it: `{"a":…}`, `[…]`, a string for two quotes, a number.
_BYTES = {b"{": 208, b"[": 88, b'"': 24, b",": 40}
# No byte stands for more of them: `[` and `{` in turn.
DENSEST = 208
_SLICE_BYTES = 64 * 1024
_CONTAINERS = frozenset({list, dict})


def is_nested_too_deeply(value: object) -> bool:
    """Looks at one level after the other, in time linear in the size of `value`."""
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
    """Whether looking for it is worth while."""
    return raw.count(b"[") + raw.count(b"{") > NESTING_MAX


def tree_is_too_large(raw: bytes) -> bool:
    """Whether the values of this JSON would take more than TREE_BYTES_MAX, strings' own characters apart.

    An estimate that is not far below the truth, without building a single value. A body that is small enough whatever
    is in it, or whose strings hold few of the characters that count, is let through after a few fast counts.
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
    """Structure, numbers and quotes, in pieces. Behind a syntax error it may be wrong, and nothing is built then."""
    plain = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    inside = 0
    for piece in _slices(plain):
        parts = piece.split(b'"')
        yield b"".join(parts[inside::2]) + b'"' * (len(parts) - 1)
        inside ^= (len(parts) - 1) & 1
