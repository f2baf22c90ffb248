"""One JSON line per log record, and alarms as lines that a metric filter can count."""

import json
import logging
import sys
from datetime import UTC, datetime

_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """Level, time, logger and message, then whatever was passed as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "level": record.levelname,
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "logger": record.name,
            "message": record.getMessage(),
            **{name: value for name, value in vars(record).items() if name not in _STANDARD},
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure_logging(level: str) -> None:
    """JSON to standard error for our package; idempotent."""
    log = logging.getLogger("multiconnection")
    log.setLevel(level)
    if not log.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(JsonFormatter())
        log.addHandler(handler)
        log.propagate = False


class LoggedAlarms:
    """Implements the ledger's `Alarms`: one ERROR line each, never with keys or prompts."""

    def __init__(self) -> None:
        self._log = logging.getLogger("multiconnection.alarms")

    def alarm(self, name: str, **context: object) -> None:
        self._log.error(name, extra={"alarm": name, **context})
