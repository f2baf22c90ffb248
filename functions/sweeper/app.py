"""Worker: every minute ends expired holds and repairs orders whose workflow has missed something."""

from dataclasses import asdict
from typing import Any

from multiconnection.bootstrap.handlers import run, worker
from multiconnection.bootstrap.workers import shared_workers

# Kept free of the function's time, for what is under way when the run stops.
SPARE_S = 5


@worker
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """{} sweeps the accounts that called recently, {"scope": "all"} every account."""
    workers = shared_workers()
    maintenance = workers.maintenance
    sweep = maintenance.sweep_all if event.get("scope") == "all" else maintenance.sweep_active
    until_s = workers.clock.now() + context.get_remaining_time_in_millis() / 1000 - SPARE_S
    swept = run(sweep(until_s))
    return asdict(swept) | {"orders": asdict(run(workers.order_repair.repair_orders(until_s)))}
