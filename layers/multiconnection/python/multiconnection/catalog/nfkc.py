"""Bytes that a text can gain under Unicode's NFKC normalisation, in time linear in its length.

Normalising itself sorts runs of combining marks, which takes quadratic time, and can make a text eleven times as long.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

# Outside of these, a character is its own NFKC form and no combining mark (a test looks at every code point).
_BLOCKS = (
    (0x80, 0x3400),
    (0xA000, 0xAC00),
    (0xF900, 0x12000),
    (0x16000, 0x17000),
    (0x1BC00, 0x1BD00),
    (0x1D100, 0x1D800),
    (0x1E000, 0x1EA00),
    (0x1F100, 0x1F300),
    (0x2F800, 0x2FA20),
)
BEYOND = "\U00010000"
# Beyond the Basic Multilingual Plane a pattern compares every character with one range after the other: these few
# blocks stand for some hundred ranges. A mark too many costs a few bytes.
_MARKS_BEYOND = "\U00010000-\U0001f2ff\U0002f800-\U0002fa1f"
_GROWING_BEYOND = "\U00011000-\U000110ff\U0001d100-\U0001d1ff\U0001f100-\U0001f2ff"
# U+FDFA: 3 bytes become 33.
GAIN_PER_BYTE_MAX = 10
# What a mark behind a character can add to it.
MARK_GAIN_MAX = 6
# When more than these can grow, the rest of the text is not looked at.
COUNTED_MAX = 65_536
PIECE_BYTES = 128 * 1024


class _Tables(NamedTuple):
    """`noteworthy` finds marks and what grows; `growing` what grows where it stands; `gains` are bytes by character."""

    noteworthy: re.Pattern[str]
    growing: re.Pattern[str]
    gains: dict[str, int]


def gain_max(text: bytes) -> int:
    """At least the bytes by which the NFKC form of UTF-8 `text` is longer than `text`; what is no UTF-8 gains nothing.

    Sound because it adds what each character can gain and gives no credit for what is composed or shortened: a
    character that a mark behind it can leave decomposed is counted decomposed when a mark is behind it, and neither
    sorting marks nor composing characters makes a text longer. So texts also have no more gain together, with
    anything between them, than each alone and MARK_GAIN_MAX.
    """
    gain = found = 0
    for start, piece in _pieces(text):
        if found > COUNTED_MAX:
            return gain + GAIN_PER_BYTE_MAX * (len(text) - start)
        if not piece.isascii():
            gains, behind_cut = _gains(piece.decode("utf-8", "replace"))
            gain += sum(gains) + (MARK_GAIN_MAX if start and behind_cut else 0)
            found += len(gains)
    return gain


def _pieces(text: bytes) -> Iterator[tuple[int, bytes]]:
    """With their places, cut between characters: one wide character makes four bytes of each in its piece."""
    start = 0
    while start < len(text):
        end = start + PIECE_BYTES
        while start + PIECE_BYTES - end < 4 and end < len(text) and text[end] & 0xC0 == 0x80:
            end -= 1
        yield start, text[start:end]
        start = end


def _gains(text: str) -> tuple[list[int], bool]:
    """The gain of each character that can grow, and whether a mark may stand at the start, behind what was cut off."""
    tables = _tables()
    if not tables.noteworthy.search(text):
        return [], False
    gains = [tables.gains.get(match[0], 0) for match in tables.growing.finditer(text)]
    return gains, bool(tables.noteworthy.match(text))


@cache
def _tables() -> _Tables:
    """Made of the Unicode data of this Python when the first text needs them; that takes some 15 ms."""
    alone: dict[str, int] = {}
    before_mark: dict[str, int] = {}
    marks: list[str] = []
    for char in _candidates():
        decomposed = unicodedata.normalize("NFKD", char)
        if unicodedata.combining(decomposed[0]):
            marks.append(char)
        size = len(char.encode())
        composed_size = len(unicodedata.normalize("NFKC", char).encode())
        if composed_size > size:
            alone[char] = composed_size - size
        # With a starter at its end (Hangul), what follows cannot come between its parts.
        more = len(decomposed.encode()) - max(size, composed_size)
        if more > 0 and unicodedata.combining(decomposed[-1]):
            before_mark[char] = more
    mark = _class_of(marks) + _MARKS_BEYOND
    growing, changing = _class_of(alone), _class_of([*alone, *before_mark])
    return _Tables(
        noteworthy=re.compile(f"[{growing}{mark}]"),
        growing=re.compile(f"[{changing}{_GROWING_BEYOND}](?:(?<=[{growing}{_GROWING_BEYOND}])|(?=[{mark}]))"),
        gains={char: alone.get(char, 0) + before_mark.get(char, 0) for char in [*alone, *before_mark]},
    )


def _candidates() -> Iterator[str]:
    for start, end in _BLOCKS:
        for char in map(chr, range(start, end)):
            if unicodedata.decomposition(char) or unicodedata.combining(char):
                yield char


def _class_of(chars: Iterable[str]) -> str:
    """The characters of the Basic Multilingual Plane as ranges inside the brackets of a pattern."""
    ranges: list[list[int]] = []
    for code in sorted(ord(char) for char in chars if char < BEYOND):
        if ranges and code == ranges[-1][1] + 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"\\U{start:08x}-\\U{end:08x}" for start, end in ranges)
