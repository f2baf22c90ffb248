"""Bounds of foreign JSON: exact about depth, never far below the memory of a tree, and blind to what is in strings."""

import tracemalloc
from bisect import bisect

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiconnection.web.json import (
    NESTING_MAX,
    TREE_BYTES_MAX,
    is_nested_too_deeply,
    may_be_nested_too_deeply,
    tree_is_too_large,
)

SIZE = 6_000_000
WRITABLE_LEVELS = 254

HOSTILE = {
    "numbers": b"1,",
    "long numbers": b"300,",
    "floats": b"1.5,",
    "lists": b"[],",
    "lists in lists": b"[" * 150 + b"]" * 150 + b",",
    "objects": b'{"a":{}},',
    "objects in lists": b'[{"a":[]}],',
    "short strings": b'"a",',
    "escaped strings": b'"\\"",',
    "wide strings": b'"\xc3\xa9\\\\",',
    "small messages": b'{"role":"user","content":""},',
}
TEXTS = {
    "prose": b'Some words, \\"quoted\\" [and] {more}. ',
    "code": b"f({a: [1, 2, {b: 3}]});\\n",
    "JSON": rb"{\"a\":[1,2,{\"b\":\"\\\\\"}]},",
}


def nested(depth: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    return opening * depth + b"1" + closing * depth


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[1,{"a":', b"}]")])
def test_the_deepest_that_passes_can_be_written_with_what_we_put_around_it(opening: bytes, closing: bytes) -> None:
    levels = NESTING_MAX // opening.count(b"{" if opening.startswith(b"{") else b"[")
    levels //= 2 if opening.startswith(b"[1") else 1
    deepest, deeper = nested(levels, opening, closing), nested(levels + 1, opening, closing)
    assert not is_nested_too_deeply(orjson.loads(deepest))
    assert is_nested_too_deeply(orjson.loads(deeper))
    assert may_be_nested_too_deeply(deeper)
    value = orjson.loads(deepest)
    for _ in range(WRITABLE_LEVELS - NESTING_MAX - 1):
        value = [value]
    orjson.dumps(value)


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_would_take_many_times_the_body_is_refused_unbuilt(kind: str) -> None:
    item = HOSTILE[kind]
    raw = b"[" + item * (SIZE // len(item)) + b"0]"
    tracemalloc.start()
    try:
        refused = tree_is_too_large(raw)
        assert tracemalloc.get_traced_memory()[1] <= 2 * len(raw) + 8 * 1024 * 1024
    finally:
        tracemalloc.stop()
    assert refused


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_passes_takes_little_more_than_the_bound(kind: str) -> None:
    """The largest body of each kind that is let through."""
    item = HOSTILE[kind]
    count = bisect(range(SIZE // len(item)), False, key=lambda count: tree_is_too_large(item * count)) - 1
    raw = b"[" + item * count + b"0]"
    tracemalloc.start()
    try:
        value = orjson.loads(raw)
        size = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert value
    assert size <= 1.25 * TREE_BYTES_MAX


@pytest.mark.parametrize("kind", TEXTS)
def test_what_a_string_says_is_not_counted(kind: str) -> None:
    raw = b'{"content":"' + TEXTS[kind] * (SIZE // len(TEXTS[kind])) + b'"}'
    orjson.loads(raw)
    assert not tree_is_too_large(raw)


def test_large_requests_of_real_clients_pass() -> None:
    tokens = b'{"model":"m","input":[' + b",".join([b"[" + b",".join([b"12345"] * 480) + b"]"] * 2048) + b"]}"
    messages = (
        b'{"model":"m","messages":[' + b",".join([b'{"role":"user","content":"' + b"a" * 30 + b'"}'] * 100_000) + b"]}"
    )
    assert not tree_is_too_large(tokens)
    assert not tree_is_too_large(messages)


@given(st.recursive(st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_the_depth_is_the_depth(value: object) -> None:
    def depth(one: object) -> int:
        children = one.values() if isinstance(one, dict) else one if isinstance(one, list) else None
        return 0 if children is None else 1 + max(map(depth, children), default=0)

    for extra in (NESTING_MAX - 3, NESTING_MAX):
        wrapped: object = value
        for _ in range(extra):
            wrapped = [wrapped]
        assert is_nested_too_deeply(wrapped) is (depth(value) + extra > NESTING_MAX)
