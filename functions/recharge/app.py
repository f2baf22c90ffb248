"""Worker: one step of the recharge workflow (workflow.asl.json), the only function that credits orders."""

import asyncio
from typing import Any

from multiconnection.bootstrap.workers import build_workers
from multiconnection.config import Settings
from multiconnection.observability.logging import begin_correlation


def handler(event: dict[str, Any], context: Any) -> dict[str, str]:
    """{"step", "order_id"} → {"order_id", "status"}; whatever is raised here makes the workflow repeat the step."""
    begin_correlation(getattr(context, "aws_request_id", "local"))
    recharge = build_workers(Settings.from_environment()).recharge
    return asyncio.run(recharge.run(event["step"], event["order_id"]))
