"""Worker: once a day recomputes every account from its immutable rows, alarms on drift, adds up the finished days."""

from typing import Any

from multiconnection.bootstrap.handlers import run, worker
from multiconnection.bootstrap.workers import shared_workers

# Of the function's 300 s; what is left over is for the ledger, which comes first.
UNTIL_S = 270


@worker
def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """The totals over all accounts; `drift` must be 0."""
    workers = shared_workers()
    return dict(run(workers.daily.run(workers.clock.now() + UNTIL_S)))
