"""Log records as JSON lines on standard error, with the ids of the request that they belong to."""

import json
import logging
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType, TracebackType

import orjson

Write = Callable[[str], object]
_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_FRAMES_MAX = 30
_NO_IDS: Mapping[str, str] = MappingProxyType({})
_ids: ContextVar[Mapping[str, str]] = ContextVar("correlation", default=_NO_IDS)


def configure_logging(level: str) -> None:
    """Log our package at `level`, and the warnings of all other packages; idempotent."""
    ours = logging.getLogger("multiconnection")
    ours.setLevel(level)
    if not ours.handlers:
        ours.addHandler(_handler())
        ours.propagate = False
    if not logging.getLogger().handlers:
        logging.getLogger().addHandler(_handler())


def begin_correlation(request_id: str, others: Mapping[str, str] = _NO_IDS) -> None:
    """Put the request's id, and what others call it, on every line of this task and of the tasks that it starts."""
    _ids.set({"request_id": request_id, **others})


def note_account(account_id: str) -> None:
    """Add the account to the lines of this request, those of tasks that it has started already included."""
    ids = _ids.get()
    if isinstance(ids, dict):
        ids["account_id"] = account_id


def correlation() -> Mapping[str, str]:
    """The ids that every line of the current request carries; never a key or a prompt."""
    return _ids.get()


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
    """Write each record to standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            to_stderr(self.format(record) + "\n")
        except (KeyError, OSError, TypeError, ValueError):
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Report the failure without details: Python's own handler prints the logged exception with its message."""
        with suppress(OSError, ValueError):
            to_stderr(encoded({"level": "ERROR", "logger": record.name, "message": "a line could not be written"}))


def described(error: BaseException) -> list[dict[str, object]]:
    """The types and stacks of the error and its causes, without messages, which may quote what a caller sent."""
    chain: list[dict[str, object]] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        chain.append({"type": type(current).__qualname__, "stack": _places(current.__traceback__)})
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return chain


def to_stderr(line: str) -> None:
    """Write a line in one piece. `sys.stderr` is looked up at each call, because it may be redirected later."""
    sys.stderr.write(line)


def iso(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="milliseconds")


def encoded(line: Mapping[str, object]) -> str:
    """The line as JSON with a line break. Never fails, because a line is often all that is left of an error."""
    try:
        return orjson.dumps(line, default=str, option=orjson.OPT_APPEND_NEWLINE).decode()
    except TypeError:
        # Integers over 64 bits and lone surrogates, which orjson refuses.
        return json.dumps(line, default=str) + "\n"


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
