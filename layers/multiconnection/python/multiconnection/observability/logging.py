"""Python's log records as JSON lines."""

import json
import logging
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType, TracebackType

import orjson

_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_FRAMES_MAX = 30


class JsonFormatter(logging.Formatter):
    """Level, time, logger and message, the ids of the request, then whatever was passed as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "level": record.levelname,
            "timestamp": iso(record.created),
            "logger": record.name,
            "message": record.getMessage(),
            **correlation(),
            **{name: value for name, value in vars(record).items() if name not in _STANDARD},
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = described(record.exc_info[1])
        return encoded(line).rstrip("\n")


class LineHandler(logging.Handler):
    """To standard error as it is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            to_stderr(self.format(record) + "\n")
        except (KeyError, OSError, TypeError, ValueError):
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Python's own prints the exception that was being logged, its message included."""
        with suppress(OSError, ValueError):
            to_stderr(encoded({"level": "ERROR", "logger": record.name, "message": "a line could not be written"}))


def described(error: BaseException) -> list[dict[str, object]]:
    """The error and its causes: types and places, no messages. A message may quote what a caller sent."""
    chain: list[dict[str, object]] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        chain.append({"type": type(current).__qualname__, "stack": _places(current.__traceback__)})
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return chain


def configure_logging(level: str) -> None:
    """JSON to standard error, for our package at `level` and for everybody else's warnings; idempotent."""
    ours = logging.getLogger("multiconnection")
    ours.setLevel(level)
    if not ours.handlers:
        ours.addHandler(_handler())
        ours.propagate = False
    if not logging.getLogger().handlers:
        logging.getLogger().addHandler(_handler())


def _handler() -> logging.Handler:
    handler = LineHandler()
    handler.setFormatter(JsonFormatter())
    return handler


def _places(traceback: TracebackType | None) -> list[str]:
    places = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        places.append(f"{code.co_filename}:{traceback.tb_lineno} {code.co_name}")
        traceback = traceback.tb_next
    return places[-_FRAMES_MAX:]


# One event as one line of JSON on standard error, written whole and at once.

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


# The ids that every line of one request carries: request and account, never a key and never a prompt.

_NOTHING: Mapping[str, str] = MappingProxyType({})
_ids: ContextVar[Mapping[str, str]] = ContextVar("correlation", default=_NOTHING)


def begin_correlation(request_id: str) -> None:
    """From here on in this task, and in the tasks it starts."""
    _ids.set({"request_id": request_id})


def note_account(account_id: str) -> None:
    """The caller is known: also to the tasks that this request has started already."""
    ids = _ids.get()
    if isinstance(ids, dict):
        ids["account_id"] = account_id


def correlation() -> Mapping[str, str]:
    return _ids.get()
