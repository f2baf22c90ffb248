"""Workers and tools: the same ledger over boto3, outside any API."""

from dataclasses import dataclass

from multiconnection.audit.log import AuditEntries, AuditTable
from multiconnection.catalog.providers import configured_providers, provider_names
from multiconnection.catalog.service import CatalogService, never_changing
from multiconnection.catalog.store import CatalogTable, SwitchesTable
from multiconnection.config import Settings
from multiconnection.keys.service import KeyChanges, KeyService
from multiconnection.keys.store import KeyChangesTable, KeysTable
from multiconnection.ledger.jobs import JobMetrics, Maintenance
from multiconnection.ledger.ledger import Ledger
from multiconnection.observability.logging import configure_logging
from multiconnection.observability.metrics import Emf, LoggedAlarms
from multiconnection.orders.decisions import OrderDecisions
from multiconnection.orders.workflow import OrderRepair, RechargeSteps
from multiconnection.ports import Clock
from multiconnection.reports.reconciliation import DailyRun

from .admin import AdminDesk, ProviderNames, build_daily, build_desk
from .base import SystemClock, SystemRng, build_ledger, hold_lifetime_s
from .console import build_order_repair, build_order_tools, build_recharge


@dataclass(frozen=True, slots=True)
class Workers:
    """What workers and tools need: the same ledger over boto3, outside any API."""

    settings: Settings
    clock: Clock
    ledger: Ledger
    maintenance: Maintenance
    keys: KeyService
    key_changes: KeyChanges
    catalog: CatalogTable
    models: CatalogService
    recharge: RechargeSteps
    order_repair: OrderRepair
    decisions: OrderDecisions
    admin: AdminDesk
    daily: DailyRun


def build_workers(settings: Settings, clock: Clock | None = None, emf: Emf | None = None) -> Workers:
    """boto3 is loaded here and not above, so that the data plane starts without it.

    `emf` is for tools: what a person's command does is no metric.
    """
    from multiconnection.aws.boto import BotoDriver, dynamodb_client

    configure_logging(settings.log_level)
    emf = emf or Emf(settings.metrics_namespace)
    clock, rng, alarms = clock or SystemClock(), SystemRng(), LoggedAlarms(emf)
    driver = BotoDriver(dynamodb_client(settings.region, settings.aws_endpoint_url))
    table = CatalogTable(driver, settings.catalog_table)
    providers = configured_providers(settings)
    switches = SwitchesTable(driver, settings.catalog_table)
    catalog = CatalogService(table, providers, clock, alarms, settings.catalog_cache_s, switch_source=switches)
    ledger = build_ledger(settings, driver, clock, rng, alarms, catalog.model_name)
    metrics = JobMetrics(emf, hold_lifetime_s(settings))
    maintenance = Maintenance(ledger, clock, alarms, metrics.swept, metrics.reconciled)
    records = KeysTable(driver, settings.keys_table, settings.balances_table)
    changes = KeyChangesTable(driver, settings.keys_table, settings.balances_table)
    keys = KeyService(records, ledger.store, clock, rng)
    audit = AuditTable(driver, settings.audit_table, AuditEntries(clock, rng))
    names = ProviderNames(provider_names(), providers, never_changing)
    return Workers(
        settings=settings,
        clock=clock,
        ledger=ledger,
        maintenance=maintenance,
        keys=keys,
        key_changes=KeyChanges(records, changes, ledger.store, clock, rng),
        catalog=table,
        models=catalog,
        recharge=build_recharge(settings, driver, alarms, clock, rng),
        order_repair=build_order_repair(settings, driver, alarms, clock),
        decisions=build_order_tools(settings, driver, ledger, audit, alarms, clock, rng),
        admin=build_desk(settings, driver, ledger, keys, None, names, maintenance, clock, rng),
        daily=build_daily(settings, driver, ledger, maintenance, alarms, clock, rng),
    )
