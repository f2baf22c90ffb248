"""The time until a provider wants to be asked again, from a header, its error object, or the words of its message."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import islice
from math import isfinite
from time import time

# Of an error object, or headers: more say nothing about this.
MEMBERS_MAX = 128
TEXT_CHARS_MAX = 64
# Larger numbers are moments: seconds since 1970, or milliseconds.
_EPOCH_S, _EPOCH_MS = 10**9, 10**11
# Names without dashes and underscores, in lower case, and the unit of a bare number.
_DELAYS = {
    **dict.fromkeys(("retryafterms", "retryaftermilliseconds", "retrydelayms"), 0.001),
    **dict.fromkeys(("retryafter", "retryafterseconds", "retryaftersecs", "retryafters"), 1.0),
    **dict.fromkeys(("retrydelay", "retrydelayseconds", "retryin", "retryinseconds", "waitseconds"), 1.0),
}
_RESETS = ("xratelimitreset", "ratelimitreset", "xratelimitresetafter")
_RESETS_OF_ONE = ("xratelimitresetrequests", "xratelimitresettokens")
_UNITS = {"ms": 0.001, "milli": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PIECE = r"\d{1,9}(?:\.\d{1,9})?\s{0,2}(?:milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|h)(?![a-z])"
_PIECES = re.compile(r"(\d+(?:\.\d+)?)\s*(milli|ms|s|m|h)", re.IGNORECASE)
# `6m0s` has no end of a word between its parts.
_DURATION = r"(?:\d{1,9}(?:\.\d{1,9})?\s{0,2}[a-z]{1,12}\s{0,2}){0,3}" + _PIECE
_WHOLE = re.compile(_DURATION, re.IGNORECASE)
_SAID = re.compile(rf"(?:try again|retry|wait)[^\d.]{{0,30}}({_DURATION})", re.IGNORECASE)


def in_headers(headers: Mapping[str, str], *, limited: bool) -> float | None:
    """Seconds from now. Times at which limits are reset count only for a refusal for their sake (`limited`)."""
    return _in_members(headers, resets=limited)


def in_error(error: Mapping[str, object]) -> float | None:
    """Seconds from now, in an error object or what holds it: members, `metadata`, its `headers`, `details`."""
    metadata, details = error.get("metadata"), error.get("details")
    places: list[object] = [error, metadata]
    if isinstance(metadata, dict):
        places.append(metadata.get("headers"))
    places += details[:MEMBERS_MAX] if isinstance(details, list) else [details]
    found = (_in_members(place, resets=True) for place in places if isinstance(place, dict))
    return next((seconds for seconds in found if seconds is not None), None)


def in_text(message: str) -> float | None:
    """Seconds in words such as "Please try again in 1m2.5s." The words may quote the caller."""
    said = _SAID.search(message)
    return _duration(said[1]) if said else None


def _in_members(members: Mapping[str, object], *, resets: bool) -> float | None:
    named = {
        name.lower().replace("-", "").replace("_", ""): value
        for name, value in islice(members.items(), MEMBERS_MAX)
        if isinstance(name, str)
    }
    found = [_seconds(named[name], unit) for name, unit in _DELAYS.items() if name in named]
    if resets:
        found += [_seconds(named[name], 1.0) for name in _RESETS if name in named]
        used_up = [name for name in _RESETS_OF_ONE if _is_none(named.get(name.replace("reset", "remaining")))]
        found.append(max((_seconds(named.get(name), 1.0) or 0.0 for name in used_up), default=None))
    return next((seconds for seconds in found if seconds is not None), None)


def _is_none(remaining: object) -> bool:
    return str(remaining) == "0"


def _seconds(value: object, unit: float) -> float | None:
    if isinstance(value, dict):  # protobuf's Duration
        value = value.get("seconds")
    if isinstance(value, str) and len(value) <= TEXT_CHARS_MAX:
        return _in_words(value.strip(), unit)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or value > 10**15:
        return None
    if value > _EPOCH_S:
        return max(0.0, (value / 1000 if value > _EPOCH_MS else value) - time())
    return value * unit if isfinite(value) else None


def _in_words(text: str, unit: float) -> float | None:
    try:
        return _seconds(float(text), unit)
    except ValueError:
        pass
    if _WHOLE.fullmatch(text):
        return _duration(text)
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = read(text)
        except (ValueError, OverflowError):
            continue
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())
    return None


def _duration(text: str) -> float:
    return sum(float(number) * _UNITS[unit.lower()] for number, unit in _PIECES.findall(text))
