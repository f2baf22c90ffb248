"""What functions, workers and tools have in common: time, chance, the ledger, the metrics."""

import secrets
import time

from multiconnection.config import Settings
from multiconnection.domain.ports import Clock, Rng
from multiconnection.ledger.ledger import SETTLE_S, Ledger, Margins
from multiconnection.ledger.store import Alarms
from multiconnection.ledger.sweep import ModelName
from multiconnection.observability import Emf
from multiconnection.services.telemetry import Telemetry
from multiconnection.storage.driver import Driver
from multiconnection.storage.ledger import DynamoStore, LedgerTables
from multiconnection.storage.queue import SqsFallbackQueue


class SystemClock:
    def now(self) -> float:
        return time.time()


class SystemRng:
    def below(self, bound: int) -> int:
        return secrets.randbelow(bound)


def build_ledger(
    settings: Settings,
    driver: Driver,
    clock: Clock,
    rng: Rng,
    alarms: Alarms,
    model_name: ModelName,
) -> Ledger:
    """The ledger over any driver: the data plane's, a worker's or a tool's."""
    tables = LedgerTables(settings.balances_table, settings.usage_table, settings.credits_table, settings.orders_table)
    return Ledger(
        store=DynamoStore(driver, tables),
        queue=SqsFallbackQueue(settings.fallback_queue_url, settings.region, settings.aws_endpoint_url),
        alarms=alarms,
        clock=clock,
        rng=rng,
        model_name=model_name,
        margins=ledger_margins(settings),
    )


def ledger_margins(settings: Settings) -> Margins:
    """Half of what is kept free before the function's end is enough for a settlement; the rest is for our own error."""
    settle_s = min(SETTLE_S, settings.deadline_margin_s / 2)
    return Margins(settings.hold_margin_s, settings.sweep_margin_s, settle_s)


def build_telemetry(settings: Settings, emf: Emf) -> Telemetry:
    return Telemetry(emf, hold_lifetime_s=settings.function_timeout_s + settings.hold_margin_s)
