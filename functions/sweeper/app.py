"""Worker: every minute ends expired holds; also takes queued decisions from the fallback queue."""

import asyncio
from dataclasses import asdict
from typing import Any

from multiconnection.bootstrap.workers import build_workers
from multiconnection.config import Settings
from multiconnection.ledger.dynamo import decode
from multiconnection.observability.logging import begin_correlation


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A schedule's event sweeps ({"scope": "all"} for the daily net); an SQS event is replayed."""
    begin_correlation(getattr(context, "aws_request_id", "local"))
    workers = build_workers(Settings.from_environment())
    maintenance = workers.maintenance
    if "Records" in event:
        messages = [(record["messageId"], record["body"]) for record in event["Records"]]
        failed = asyncio.run(maintenance.replay(messages, decode))
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}
    sweep = maintenance.sweep_all if event.get("scope") == "all" else maintenance.sweep_active
    remaining_s = context.get_remaining_time_in_millis() / 1000 if context else 60
    until_s = maintenance.clock.now() + remaining_s - 5
    swept = asyncio.run(sweep(until_s))
    return asdict(swept) | {"orders": asdict(asyncio.run(workers.order_repair.repair_orders(until_s)))}
