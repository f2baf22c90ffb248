"""Worker: once a day recomputes every account from its immutable rows and alarms on drift."""

import asyncio
from typing import Any

from multiconnection.bootstrap import build_workers
from multiconnection.config import Settings
from multiconnection.ledger.reconcile import totals
from multiconnection.observability import begin_correlation


def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """The totals over all accounts; `drift` must be 0."""
    begin_correlation(getattr(context, "aws_request_id", "local"))
    maintenance = build_workers(Settings.from_environment()).maintenance
    return dict(totals(asyncio.run(maintenance.reconcile_all())))
