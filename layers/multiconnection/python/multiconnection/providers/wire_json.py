"""JSON off and onto the wire: orjson, and the standard library where orjson is stricter than real providers are."""

import json
from typing import Any

import orjson


def decode(raw: bytes) -> Any:
    """Raises ValueError. Half a surrogate pair per chunk (seen from Python servers) is accepted."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return _decode_leniently(raw)


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
        raise ValueError("nested too deeply") from exc


def _encode_leniently(value: object) -> bytes:
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc


def _plain(value: object) -> Any:
    try:
        plain = orjson.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
        orjson.dumps(plain)
    except (RecursionError, TypeError) as exc:
        raise ValueError("nested too deeply") from exc
    return plain
