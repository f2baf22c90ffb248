"""Workers and tools: the same ledger over boto3, outside any API."""

from dataclasses import dataclass

from multiconnection.config import Settings
from multiconnection.domain.ports import Clock
from multiconnection.ledger.ledger import Ledger
from multiconnection.observability import Emf, LoggedAlarms, configure_logging
from multiconnection.providers.registry import configured_providers, provider_names
from multiconnection.services.admin_daily import DailyRun
from multiconnection.services.admin_desk import AdminDesk, ProviderNames
from multiconnection.services.audit_trail import AuditEntries
from multiconnection.services.catalog import CatalogService, never_changing
from multiconnection.services.key_changes import KeyChanges
from multiconnection.services.keys import KeyService
from multiconnection.services.maintenance import Maintenance
from multiconnection.services.order_desk import OrderDesk
from multiconnection.services.order_repair import OrderRepair
from multiconnection.services.recharge import RechargeSteps
from multiconnection.storage.audit import AuditTable
from multiconnection.storage.catalog import CatalogTable
from multiconnection.storage.key_changes import KeyChangesTable
from multiconnection.storage.keys import KeysTable
from multiconnection.storage.switches import SwitchesTable

from .admin import build_daily, build_desk
from .foundation import SystemClock, SystemRng, build_ledger, build_telemetry
from .recharge import build_order_repair, build_order_tools, build_recharge


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
    orders: OrderDesk
    admin: AdminDesk
    daily: DailyRun


def build_workers(settings: Settings, clock: Clock | None = None, emf: Emf | None = None) -> Workers:
    """boto3 is loaded here and not above, so that the data plane starts without it.

    `emf` is for tools: what a person's command does is no metric.
    """
    from multiconnection.storage.boto import BotoDriver, dynamodb_client

    configure_logging(settings.log_level)
    emf = emf or Emf(settings.metrics_namespace)
    clock, rng, alarms = clock or SystemClock(), SystemRng(), LoggedAlarms(emf)
    driver = BotoDriver(dynamodb_client(settings.region, settings.aws_endpoint_url))
    table = CatalogTable(driver, settings.catalog_table)
    providers = configured_providers(settings)
    switches = SwitchesTable(driver, settings.catalog_table)
    catalog = CatalogService(table, providers, clock, alarms, settings.catalog_cache_s, switch_source=switches)
    ledger = build_ledger(settings, driver, clock, rng, alarms, catalog.model_name)
    maintenance = Maintenance(ledger, clock, alarms, build_telemetry(settings, emf))
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
        recharge=build_recharge(settings, driver, ledger, alarms, clock, rng),
        order_repair=build_order_repair(settings, driver, alarms, clock),
        orders=build_order_tools(settings, driver, ledger, audit, alarms, clock, rng),
        admin=build_desk(settings, driver, ledger, keys, None, names, maintenance, clock, rng),
        daily=build_daily(settings, driver, ledger, maintenance, alarms, clock, rng),
    )
