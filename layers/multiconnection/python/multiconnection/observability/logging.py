"""Log records as JSON lines on standard error, by Powertools' Logger, with the ids of the request that they belong to.

https://docs.aws.amazon.com/powertools/python/latest/core/logger/
"""

import json
import logging
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from functools import cache
from types import MappingProxyType, TracebackType
from typing import Any

import orjson
from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.logging.filters import SuppressFilter
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

Write = Callable[[str], object]
SERVICE = "multiconnection"
_FRAMES_MAX = 30
_ONLY_OTHERS = SuppressFilter(SERVICE)
_NO_IDS: Mapping[str, str] = MappingProxyType({})
_ids: ContextVar[Mapping[str, str]] = ContextVar("correlation", default=_NO_IDS)


def configure_logging(level: str) -> Logger:
    """Log our package at `level`, and the warnings of all other packages; may be repeated.

    The level is that of the settings: Powertools would take the one that Lambda passes lines on from.
    """
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(LineHandler())
    for handler in root.handlers:
        # Lambda's own handler would print the messages of exceptions.
        if isinstance(handler, LineHandler) or type(handler).__module__.startswith("awslambdaric"):
            handler.setFormatter(LineFormatter())
            handler.addFilter(_ONLY_OTHERS)
    logger = _logger()
    logging.getLogger(SERVICE).setLevel(level)
    return logger


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


class LineFormatter(LambdaPowertoolsFormatter):
    """Powertools' line with the ids of the request, and without what a caller or a provider may have sent.

    Powertools' own writes the messages of exceptions, and the code and values around them.
    """

    def __init__(self) -> None:
        order = ["level", "timestamp", "location", "message"]
        super().__init__(
            json_serializer=_serialized, utc=True, use_rfc3339=True, log_record_order=order, serialize_stacktrace=False
        )

    def _extract_log_keys(self, log_record: logging.LogRecord) -> dict[str, Any]:
        return {**super()._extract_log_keys(log_record), "logger": log_record.name, **correlation()}

    def _extract_log_message(self, log_record: logging.LogRecord) -> str:
        """The text of our own lines; of other packages' the first line, as asyncio's second one quotes exceptions."""
        if isinstance(log_record.msg, BaseException):
            return type(log_record.msg).__qualname__
        message = log_record.getMessage()
        return message if str(log_record.name).partition(".")[0] == SERVICE else message.partition("\n")[0]

    def _extract_log_exception(self, log_record: logging.LogRecord) -> Any:
        """Types and stacks, the outermost type, and no notes."""
        error = log_record.exc_info[1] if log_record.exc_info else None
        return (None, None, None) if error is None else (described(error), type(error).__qualname__, None)


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


def encoded(line: Mapping[str, object]) -> str:
    """The line as JSON with a line break. Never fails, because a line is often all that is left of an error."""
    try:
        return orjson.dumps(line, default=_text, option=orjson.OPT_APPEND_NEWLINE).decode()
    except TypeError:
        # Integers over 64 bits and lone surrogates, which orjson refuses.
        return json.dumps(line, default=_text) + "\n"


def _serialized(line: Any) -> str:
    return encoded(line).rstrip("\n")


def _text(value: object) -> str:
    """The text of what JSON has no form for; of an exception its type, as its message may quote what a caller sent."""
    return type(value).__qualname__ if isinstance(value, BaseException) else str(value)


@cache
def _logger() -> Logger:
    """The logger of the package and of all that is below it; a second object for it would have no formatter."""
    return Logger(SERVICE, logger_handler=LineHandler(), logger_formatter=LineFormatter())


def _places(traceback: TracebackType | None) -> list[str]:
    places = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        places.append(f"{code.co_filename}:{traceback.tb_lineno} {code.co_name}")
        traceback = traceback.tb_next
    return places[-_FRAMES_MAX:]
