"""Worker: once a day recomputes every account from its immutable rows, alarms on drift, adds up the finished days."""

import asyncio
from typing import Any

from multiconnection.bootstrap.workers import build_workers
from multiconnection.config import Settings
from multiconnection.observability.logging import begin_correlation

# Of the function's 300 s; what is left over is for the books, which come first.
UNTIL_S = 270


def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """The totals over all accounts; `drift` must be 0."""
    begin_correlation(getattr(context, "aws_request_id", "local"))
    workers = build_workers(Settings.from_environment())
    return dict(asyncio.run(workers.daily.run(workers.clock.now() + UNTIL_S)))
