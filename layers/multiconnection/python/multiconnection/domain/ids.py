"""Identifiers: short, unguessable where it matters, sortable by time where rows are listed."""

import re

from . import base62
from .ports import Rng

REQUEST_ID_PREFIX = "req_"
_REQUEST_ID = re.compile(r"req_[0-9A-Za-z]{12}")


def new_hold_id(now_s: int, rng: Rng) -> str:
    """12 characters: 6 of time in seconds, 6 random (35 bits), so rows of one account sort by time."""
    return base62.encode(now_s, 6) + random_text(rng, 6)


def new_short_id(rng: Rng) -> str:
    """8 random characters (47 bits), unique within one account."""
    return random_text(rng, 8)


def random_text(rng: Rng, length: int) -> str:
    return base62.encode(rng.below(62**length), length)


def request_id_of(hold_id: str) -> str:
    return REQUEST_ID_PREFIX + hold_id


def hold_id_of(request_id: str) -> str | None:
    """The row id behind an `x-request-id`, or None where it is none of ours."""
    return request_id[len(REQUEST_ID_PREFIX) :] if _REQUEST_ID.fullmatch(request_id) else None
