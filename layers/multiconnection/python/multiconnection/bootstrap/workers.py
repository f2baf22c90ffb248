"""Workers and tools: the same ledger over boto3, outside any API."""

from dataclasses import dataclass
from functools import cache

from multiconnection.accounts.admin import AdminAccounts
from multiconnection.audit.log import AuditTrail
from multiconnection.catalog.admin import AdminModels, AdminProviders
from multiconnection.catalog.health import CloudWatchMetrics
from multiconnection.catalog.providers import configured_providers, provider_names
from multiconnection.catalog.service import CatalogService, never_changing
from multiconnection.catalog.store import CatalogTable
from multiconnection.config import Settings
from multiconnection.credits.service import AdminAdjustments
from multiconnection.keys.service import KeyService
from multiconnection.keys.store import KeysTable
from multiconnection.ledger.jobs import JobMetrics, Maintenance
from multiconnection.ledger.ledger import Ledger
from multiconnection.observability.logging import configure_logging
from multiconnection.observability.metrics import Emf, LoggedAlarms
from multiconnection.orders.decisions import OrderDecisions
from multiconnection.orders.workflow import OrderRepair, RechargeSteps
from multiconnection.ports import Clock
from multiconnection.reports.service import AdminReconciliation, AdminRevenue, DailyRun

from .admin import Administration
from .base import SystemClock, SystemRng, build_ledger, hold_lifetime_s
from .orders import boto_receipt_url, build_order_repair, build_recharge, order_access


@dataclass(frozen=True, slots=True)
class Workers:
    """The services of workers and of command-line tools, over boto3. `audit` reads the log, as the API does."""

    settings: Settings
    clock: Clock
    ledger: Ledger
    maintenance: Maintenance
    keys: KeyService
    catalog: CatalogTable
    models: CatalogService
    recharge: RechargeSteps
    order_repair: OrderRepair
    decisions: OrderDecisions
    accounts: AdminAccounts
    adjustments: AdminAdjustments
    prices: AdminModels
    providers: AdminProviders
    revenue: AdminRevenue
    reconciliation: AdminReconciliation
    audit: AuditTrail
    daily: DailyRun


@cache
def shared_workers() -> Workers:
    """Return this process's workers, built by its first invocation: boto3's clients take 50 ms and megabytes."""
    return build_workers(Settings.from_environment())


def build_workers(settings: Settings, clock: Clock | None = None, emf: Emf | None = None) -> Workers:
    """Build them. boto3 is imported here and not above, so that the data plane starts without it.

    Tools pass an `emf` of their own, as a person's command is not a metric.
    """
    from multiconnection.aws.boto import BotoDriver, aws_http, dynamodb_client

    configure_logging(settings.log_level)
    emf = emf or Emf(settings.metrics_namespace)
    clock, rng, alarms = clock or SystemClock(), SystemRng(), LoggedAlarms(emf)
    driver = BotoDriver(dynamodb_client(settings.region, settings.aws_endpoint_url))
    aws = aws_http(settings.region, settings.aws_endpoint_url)
    table = CatalogTable(driver, settings.catalog_table)
    providers = configured_providers(settings)
    catalog = CatalogService(table, providers, clock, alarms, settings.catalog_cache_s)
    ledger = build_ledger(settings, driver, aws, clock, rng, alarms, catalog.model_name)
    metrics = JobMetrics(emf, hold_lifetime_s(settings))
    maintenance = Maintenance(ledger, clock, alarms, metrics.swept, metrics.reconciled)
    keys = KeyService(KeysTable(driver, settings.keys_table, settings.balances_table), ledger.store, clock, rng)
    admin = Administration(settings, driver, ledger, clock, rng)
    access = order_access(settings, driver, aws, alarms, clock, rng)
    return Workers(
        settings=settings,
        clock=clock,
        ledger=ledger,
        maintenance=maintenance,
        keys=keys,
        catalog=table,
        models=catalog,
        recharge=build_recharge(settings, driver, alarms, clock, rng),
        order_repair=build_order_repair(settings, driver, aws, alarms, clock),
        decisions=OrderDecisions(access, ledger.store, boto_receipt_url(settings), admin.log),
        accounts=admin.accounts(keys, None),
        adjustments=admin.adjustments(),
        prices=admin.models(),
        providers=admin.providers(
            provider_names(), providers, never_changing, CloudWatchMetrics(settings.metrics_namespace, aws)
        ),
        revenue=admin.revenue(),
        reconciliation=admin.reconciliation(maintenance),
        audit=admin.trail(),
        daily=admin.daily(maintenance, alarms),
    )
