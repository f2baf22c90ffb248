"""The control plane: everything of the data plane, and what people in browsers need besides."""

from dataclasses import dataclass

from multiconnection.config import Settings
from multiconnection.services.audit_trail import AuditEntries
from multiconnection.services.console import Console, console
from multiconnection.services.identity import Identity
from multiconnection.services.order_desk import OrderDesk
from multiconnection.storage.audit import AuditTable
from multiconnection.storage.key_changes import KeyChangesTable
from multiconnection.storage.limits import LimitsTable
from multiconnection.storage.price_versions import PriceVersionsTable
from multiconnection.storage.usage_history import UsageHistoryTable

from .base import Base, build_base
from .data_plane import Container, build_container, parts_of
from .people import build_identity
from .recharge import build_order_desk


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleContainer(Container):
    """Everything a function that browsers call needs."""

    identity: Identity
    console: Console
    orders: OrderDesk


def build_console(settings: Settings) -> ConsoleContainer:
    """Call it on a running event loop."""
    return console_container(build_base(settings))


def console_container(base: Base) -> ConsoleContainer:
    audit = AuditTable(base.driver, base.settings.audit_table, AuditEntries(base.clock, base.rng))
    return ConsoleContainer(
        **parts_of(build_container(base)),
        identity=build_identity(base),
        console=build_console_services(base),
        orders=build_order_desk(base, audit),
    )


def build_console_services(base: Base) -> Console:
    settings, driver = base.settings, base.driver
    return console(
        records=base.keys,
        changes=KeyChangesTable(driver, settings.keys_table, settings.balances_table),
        books=base.ledger.store,
        reader=UsageHistoryTable(driver, settings.usage_table),
        versions=PriceVersionsTable(driver, settings.catalog_table),
        catalog=base.catalog,
        limits=LimitsTable(driver, settings.limits_table),
        on_limit_error=lambda name: base.alarms.alarm("limiter", error=name),
        clock=base.clock,
        rng=base.rng,
    )
