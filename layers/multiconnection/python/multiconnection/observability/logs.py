"""Python's log records as JSON lines."""

import logging
from contextlib import suppress
from types import TracebackType

from .correlation import correlation
from .lines import encoded, iso, to_stderr

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
