"""One event as one line of JSON on standard error, written whole and at once."""

import json
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import orjson

Write = Callable[[str], object]


def to_stderr(line: str) -> None:
    """Looked up at each call: whoever redirects standard error later gets the lines too."""
    sys.stderr.write(line)


def iso(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="milliseconds")


def encoded(line: Mapping[str, object]) -> str:
    """With its line break. Never fails: a line is often the last thing an error leaves behind."""
    try:
        return orjson.dumps(line, default=str, option=orjson.OPT_APPEND_NEWLINE).decode()
    except TypeError:
        # Integers over 64 bits and lone surrogates, which orjson refuses.
        return json.dumps(line, default=str) + "\n"
