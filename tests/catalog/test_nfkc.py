"""The bound of what normalising can add: sound for every character and every order, and linear in time and memory."""

import time
import tracemalloc
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from multiconnection.catalog.bounds import text_tokens_max
from multiconnection.catalog.nfkc import COUNTED_MAX, GAIN_PER_BYTE_MAX, MARK_GAIN_MAX, PIECE_BYTES, gain_max

EVERY_CHAR = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
MARKS = [char for char in EVERY_CHAR if unicodedata.combining(unicodedata.normalize("NFKD", char)[0])]
CHANGED = [char for char in EVERY_CHAR if unicodedata.decomposition(char) or 0xAC00 <= ord(char) < 0xD7A4]
# One of each combining class, and the vowels, jamo and halves that compose with what stands before them.
CLASSES = list({unicodedata.combining(char): char for char in MARKS}.values())
JOINING = list("\u1100\u1161\u11a8\u0b3e\u0bbe\u0dcf\u0ddf\u0ddd\u3099\uff9e\u0338\u0344\u0f73\u0f81")
hostile = st.text(
    st.one_of(st.sampled_from(CHANGED), st.sampled_from(CLASSES), st.sampled_from(JOINING), st.sampled_from(MARKS)),
    max_size=60,
)

FAMILIES: dict[str, Callable[[int], str]] = {
    "marks of two classes": lambda size: "\u0301\u0323" * (size // 2),
    "marks of every class": lambda size: ("".join(reversed(CLASSES)) * size)[:size],
    "marks behind letters": lambda size: ("\u1fb7" + "\u0301\u0323" * 7) * (size // 15),
    "one that swells": lambda size: "\ufdfa" * size,
    "swelling now and then": lambda size: "\u00b4a" * (size // 2),
    "Chinese": lambda size: "\u4e2d\u6587\uff0c" * (size // 3),
    "all mixed": lambda size: "\ufdfa\u0301\u0323\ud55c\u304c\u0ddd\u0338" * (size // 7),
}


def nfkc_bytes(text: str) -> int:
    return len(unicodedata.normalize("NFKC", text).encode())


def test_every_character_is_bounded_alone_and_before_marks() -> None:
    low = [char for char in EVERY_CHAR if text_tokens_max(char.encode()) < nfkc_bytes(char)]
    for mark in ("\u0334", "\u0323", "\u0301"):
        low += [char for char in CHANGED if text_tokens_max((char + mark).encode()) < nfkc_bytes(char + mark)]
    assert low == []


def test_composing_never_makes_a_text_longer() -> None:
    """What the bound relies on: the data of a future Unicode might differ."""
    for char in EVERY_CHAR:
        assert len(unicodedata.normalize("NFC", char).encode()) <= len(unicodedata.normalize("NFD", char).encode())


def test_nothing_that_can_grow_starts_with_what_composes_backwards() -> None:
    """Else a character before it could take its first part away and leave the rest decomposed."""
    backwards = {
        unicodedata.normalize("NFD", char)[1:2]
        for char in CHANGED
        if len(unicodedata.decomposition(char).split()) == 2 and "<" not in unicodedata.decomposition(char)
    }
    starters = {char for char in backwards if not unicodedata.combining(char)} | set(map(chr, range(0x1161, 0x11C3)))
    for char in CHANGED:
        decomposed = unicodedata.normalize("NFKD", char)
        assert len(decomposed) == 1 or decomposed[0] not in starters or "<" in unicodedata.decomposition(char), char


@given(hostile, hostile)
@example("\u00e9", "\u0323")
@example("\u0ddd", "\u0334")
@example("\u1fb7" * 9, "\u0323\u0301")
def test_the_bound_holds_for_texts_made_to_break_it_and_for_texts_put_together(one: str, other: str) -> None:
    for text in (one, other, one + other):
        assert text_tokens_max(text.encode()) >= max(len(text.encode()), nfkc_bytes(text))
    # An escape or a separator between two texts never lowers the bound by more than itself adds.
    assert text_tokens_max((one + '","' + other).encode()) + MARK_GAIN_MAX >= nfkc_bytes(one + other)


@pytest.mark.parametrize(
    "text", ["caf\u00e9", "Ti\u1ebfng Vi\u1ec7t", "\ud55c\uad6d\uc5b4", "\u304c\u3042", "\u4f60\u597d\uff0c"]
)
def test_ordinary_text_costs_its_bytes_and_no_more(text: str) -> None:
    assert text_tokens_max(text.encode() * 1000) == len(text.encode()) * 1000


def test_what_is_not_counted_one_by_one_is_taken_at_its_dearest() -> None:
    text = "\u00bd" * (COUNTED_MAX + PIECE_BYTES)
    gain = gain_max(text.encode())
    assert nfkc_bytes(text) - len(text.encode()) <= gain <= GAIN_PER_BYTE_MAX * len(text.encode())


@pytest.mark.parametrize("lead", range(4))
def test_the_bound_holds_where_a_long_text_is_cut(lead: int) -> None:
    """A letter before the cut and a mark behind it: together they are longer than each alone."""
    for before in ("\u1fb7", "\u0ddd", "\u00e9"):
        filler = "x" * (PIECE_BYTES - len(before.encode()) - lead)
        text = f"{filler}{before}\u0334\u0323\U0001f600"
        assert len(text.encode()) <= nfkc_bytes(text) <= text_tokens_max(text.encode())
    swelling = "x" * lead + "\ufdfa" * PIECE_BYTES
    assert text_tokens_max(swelling.encode()) >= nfkc_bytes(swelling)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_time_is_linear_in_the_text(family: str) -> None:
    """Sixteen times the text takes about sixteen times as long; sorting marks would take 256 times."""
    make = FAMILIES[family]
    small, large = make(4_000).encode(), make(64_000).encode()
    text_tokens_max(small)
    assert _seconds(large, 4) <= 60 * max(_seconds(small, 20), 5e-6)


def _seconds(text: bytes, times: int) -> float:
    """CPU time of the fastest run."""
    best = float("inf")
    for _ in range(times):
        began = time.process_time_ns()
        text_tokens_max(text)
        best = min(best, (time.process_time_ns() - began) / 1e9)
    return best


@pytest.mark.parametrize("family", FAMILIES)
def test_the_memory_is_a_few_times_the_text(family: str) -> None:
    text = FAMILIES[family](200_000).encode()
    text_tokens_max(text[:3000])
    tracemalloc.start()
    try:
        text_tokens_max(text)
        assert tracemalloc.get_traced_memory()[1] <= 4 * len(text)
    finally:
        tracemalloc.stop()
