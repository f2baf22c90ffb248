"""Administration: the container of its function, the operators' desk of tools, and the reconciler's daily run."""

from collections.abc import Awaitable, Callable, Container, Sequence
from dataclasses import dataclass
from typing import Protocol

from starlette.datastructures import State

from multiconnection.accounts.admin import AccountStore, AdminAccounts, KeyLister, NobodyListed, OrderLister, People
from multiconnection.accounts.service import CreditTerms
from multiconnection.accounts.store import AdminAccountsTable
from multiconnection.audit.log import AuditedWrites, AuditEntries, AuditReader, AuditTable, AuditTrail
from multiconnection.aws.dynamo import Driver
from multiconnection.catalog.admin import AdminModels, AdminProviders, CatalogStore, SwitchStore
from multiconnection.catalog.health import CloudWatchMetrics, ProviderHealth, ProviderMetrics
from multiconnection.catalog.providers import provider_names
from multiconnection.catalog.store import AdminCatalogTable, AdminSwitchesTable
from multiconnection.config import Settings
from multiconnection.credits.adjustments import AdjustmentStore, AdminAdjustments
from multiconnection.credits.balance import ConsoleMoney
from multiconnection.credits.store import AdjustmentsTable, AdjustmentTables
from multiconnection.history.service import UsageReader
from multiconnection.history.store import UsageHistoryTable
from multiconnection.identity.cognito import CognitoPeople, UserPool
from multiconnection.keys.service import KeyService
from multiconnection.ledger.jobs import Maintenance
from multiconnection.ledger.ledger import Ledger
from multiconnection.ledger.store import Store
from multiconnection.orders.store import OrdersTable
from multiconnection.ports import Alarms, Clock, Rng
from multiconnection.reports.reconciliation import AdminReconciliation, DailyRun, EntryStore, ReportStore
from multiconnection.reports.revenue import AdminRevenue, CostBook, EntryVersions, RollUp, TakingsCounter, TakingsStore
from multiconnection.reports.store import ReportsTable
from multiconnection.retry import Reliable
from multiconnection.web.app import Process

from .base import Base, build_base
from .console import set_up_console
from .gateway import serve

# Administration as one object: what the routes below /api/admin and the operators' commands need besides orders.


@dataclass(frozen=True, slots=True)
class AdminDesk:
    accounts: AdminAccounts
    adjustments: AdminAdjustments
    models: AdminModels
    providers: AdminProviders
    revenue: AdminRevenue
    reconciliation: AdminReconciliation
    trail: AuditTrail


def build_admin(state: State, settings: Settings) -> Process:
    """What the console has, and administration."""
    base = build_base(settings)
    set_up_console(state, base)
    put_admin(state, build_admin_services(base))
    return serve(state, base)


def put_admin(state: State, made: AdminDesk) -> None:
    state.accounts, state.adjustments = made.accounts, made.adjustments
    state.models, state.providers = made.models, made.providers
    state.revenue, state.reconciliation, state.audit = made.revenue, made.reconciliation, made.trail


def build_admin_services(base: Base) -> AdminDesk:
    settings = base.settings
    pool = UserPool(
        settings.user_pool_id or "", settings.user_pool_client_id or "", settings.region, settings.aws_endpoint_url
    )
    return build_desk(
        settings,
        base.driver,
        base.ledger,
        KeyService(base.keys, base.ledger.store, base.clock, base.rng),
        CognitoPeople(base.session, base.credentials, pool),
        ProviderNames(provider_names(), base.providers, base.providers.refresh),
        Maintenance(base.ledger, base.clock, base.alarms),
        base.clock,
        base.rng,
    )


@dataclass(frozen=True, slots=True)
class ProviderNames:
    """`refresh` brings `configured` up to date before it is asked."""

    names: Sequence[str]
    configured: Container[str]
    refresh: Callable[[], Awaitable[None]]


def build_desk(
    settings: Settings,
    driver: Driver,
    ledger: Ledger,
    keys: KeyLister,
    people: People | None,
    providers: ProviderNames,
    maintenance: Maintenance,
    clock: Clock,
    rng: Rng,
) -> AdminDesk:
    """Over any driver; a tool finds nobody by address."""
    return admin_desk(
        _tables(settings, driver, clock, rng),
        ledger.store,
        keys,
        people or NobodyListed(),
        providers,
        CloudWatchMetrics(settings.metrics_namespace, settings.region, settings.aws_endpoint_url),
        maintenance,
        four_eyes_nano=settings.adjustment_four_eyes_nano,
        terms=CreditTerms(settings.test_credit_nano, settings.test_credit_mode),
        clock=clock,
        rng=rng,
    )


def build_daily(
    settings: Settings,
    driver: Driver,
    ledger: Ledger,
    maintenance: Maintenance,
    alarms: Alarms,
    clock: Clock,
    rng: Rng,
) -> DailyRun:
    tables = _tables(settings, driver, clock, rng)
    counter = TakingsCounter(ledger.store, tables.usage, CostBook(tables.catalog), clock)
    roll_up = RollUp(tables.reports, counter, clock, alarms)
    return DailyRun(maintenance, tables.reports, roll_up, Reliable(rng), alarms, clock)


class AdminCatalog(CatalogStore, EntryVersions, Protocol):
    """The catalog's table, as administrators use it."""


class AuditLog(AuditReader, EntryStore, Protocol):
    """The log's table."""


class AdminReports(TakingsStore, ReportStore, Protocol):
    """The reports' table."""


@dataclass(frozen=True, slots=True)
class AdminTables:
    accounts: AccountStore
    adjustments: AdjustmentStore
    catalog: AdminCatalog
    switches: SwitchStore
    reports: AdminReports
    log: AuditLog
    usage: UsageReader
    orders: OrderLister


def _tables(settings: Settings, driver: Driver, clock: Clock, rng: Rng) -> AdminTables:
    writes = AuditedWrites(driver, settings.audit_table)
    booked = AdjustmentTables(settings.adjustments_table, settings.balances_table, settings.credits_table)
    return AdminTables(
        accounts=AdminAccountsTable(driver, settings.balances_table, settings.credits_table, writes),
        adjustments=AdjustmentsTable(driver, booked, writes),
        catalog=AdminCatalogTable(driver, settings.catalog_table, writes),
        switches=AdminSwitchesTable(driver, settings.catalog_table, writes),
        reports=ReportsTable(driver, settings.reports_table),
        log=AuditTable(driver, settings.audit_table, AuditEntries(clock, rng)),
        usage=UsageHistoryTable(driver, settings.usage_table),
        orders=OrdersTable(driver, settings.orders_table),
    )


def admin_desk(
    tables: AdminTables,
    books: Store,
    keys: KeyLister,
    people: People,
    providers: ProviderNames,
    metrics: ProviderMetrics,
    maintenance: Maintenance,
    *,
    four_eyes_nano: int,
    terms: CreditTerms,
    clock: Clock,
    rng: Rng,
) -> AdminDesk:
    """Put together from its ports."""
    reliable, entries = Reliable(rng), AuditEntries(clock, rng)
    accounts = AdminAccounts(
        tables.accounts, people, keys, tables.orders, ConsoleMoney(books), entries, reliable, terms, clock
    )
    counter = TakingsCounter(books, tables.usage, CostBook(tables.catalog), clock)
    return AdminDesk(
        accounts=accounts,
        adjustments=AdminAdjustments(tables.adjustments, accounts, entries, reliable, clock, four_eyes_nano),
        models=AdminModels(tables.catalog, entries, reliable),
        providers=AdminProviders(
            providers.names,
            providers.configured,
            providers.refresh,
            tables.switches,
            tables.catalog,
            ProviderHealth(metrics, providers.names, clock),
            entries,
            reliable,
        ),
        revenue=AdminRevenue(tables.reports, counter, clock),
        reconciliation=AdminReconciliation(maintenance, tables.reports, tables.log, entries, reliable, clock),
        trail=AuditTrail(tables.log, reliable, clock),
    )
