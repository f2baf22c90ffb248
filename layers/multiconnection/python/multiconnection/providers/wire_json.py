"""JSON off and onto the wire: orjson, and the standard library where orjson is stricter than real providers are."""

import json
from typing import Any

import orjson

from multiconnection.domain.json_bounds import NESTED_TOO_DEEPLY, is_nested_too_deeply, may_be_nested_too_deeply


def decode(raw: bytes) -> Any:
    """Raises ValueError, also for what is nested too deeply to be walked and written.

    Half a surrogate pair per chunk (seen from Python servers) is accepted.
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
    """Compact JSON; raises ValueError for what is nested too deeply to write."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return _encode_leniently(value)


def _decode_leniently(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except RecursionError as exc:
        raise ValueError(NESTED_TOO_DEEPLY) from exc


def _encode_leniently(value: object) -> bytes:
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")
    except RecursionError as exc:
        raise ValueError(NESTED_TOO_DEEPLY) from exc


def _plain(value: object) -> Any:
    try:
        plain = orjson.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
        orjson.dumps(plain)
    except (RecursionError, TypeError) as exc:
        raise ValueError(NESTED_TOO_DEEPLY) from exc
    return plain
