"""Identifiers: short, unguessable where it matters, sortable by time where rows are listed."""

import re

from .ports import Rng

# In ASCII order, so that encoded numbers of one width sort as the numbers do.
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VALUE = {char: value for value, char in enumerate(ALPHABET)}
# Hold ids begin with the second in which the call arrived, so a range of time is a range of ids.
_SECOND_CHARS = 6
# The last second that an id can hold.
TIME_MAX = 62**_SECOND_CHARS - 1
REQUEST_ID_PREFIX = "req_"
_REQUEST_ID = re.compile(r"req_[0-9A-Za-z]{12}")


def new_hold_id(now_s: int, rng: Rng) -> str:
    """12 characters: 6 of time in seconds, 6 random (35 bits), so rows of one account sort by time."""
    return encode(now_s, _SECOND_CHARS) + random_text(rng, 6)


def new_short_id(rng: Rng) -> str:
    """8 random characters (47 bits), unique within one account."""
    return random_text(rng, 8)


def random_text(rng: Rng, length: int) -> str:
    return encode(rng.below(62**length), length)


def request_id_of(hold_id: str) -> str:
    """The `x-request-id` of a call, which its usage row is found by."""
    return REQUEST_ID_PREFIX + hold_id


def hold_id_of(request_id: str) -> str | None:
    """The hold id in an `x-request-id`; None if it is not one of ours."""
    return request_id[len(REQUEST_ID_PREFIX) :] if _REQUEST_ID.fullmatch(request_id) else None


def began_s(hold_id: str) -> int:
    """The second in which the call arrived; `created` of its usage row is when it ended."""
    return decode(hold_id[:_SECOND_CHARS])


def id_bound(second: int) -> str:
    """A bound for ranges: not after any hold id of this second, and after every one of the seconds before it."""
    return encode(second, _SECOND_CHARS)


def encode(number: int, width: int = 1) -> str:
    """In base 62, with at least `width` digits; raises ValueError below zero."""
    if number < 0:
        raise ValueError("base 62 encodes no negative numbers")
    digits = ""
    while number:
        number, rest = divmod(number, 62)
        digits = ALPHABET[rest] + digits
    return digits.rjust(width, "0")


def decode(text: str) -> int:
    """Raises ValueError on any character outside the alphabet."""
    number = 0
    for char in text:
        if char not in _VALUE:
            raise ValueError(f"not base 62: {char!r}")
        number = number * 62 + _VALUE[char]
    return number


def is_base62(text: str) -> bool:
    return bool(text) and all(char in _VALUE for char in text)
