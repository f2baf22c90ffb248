"""Administration: the container of its function, the operators' desk of tools, and the reconciler's daily run."""

from dataclasses import dataclass

from multiconnection.config import Settings
from multiconnection.domain.ports import Clock, Rng
from multiconnection.ledger.ledger import Ledger
from multiconnection.ledger.store import Alarms
from multiconnection.providers.registry import provider_names
from multiconnection.services.admin_access import Reliable
from multiconnection.services.admin_accounts import KeyLister, NobodyListed, People
from multiconnection.services.admin_costs import CostBook
from multiconnection.services.admin_daily import DailyRun
from multiconnection.services.admin_desk import AdminDesk, AdminTables, ProviderNames, admin_desk
from multiconnection.services.admin_revenue import RollUp
from multiconnection.services.admin_takings import TakingsCounter
from multiconnection.services.audit_trail import AuditEntries
from multiconnection.services.keys import KeyService
from multiconnection.services.maintenance import Maintenance
from multiconnection.services.onboarding import CreditTerms
from multiconnection.storage.adjustments import AdjustmentsTable, AdjustmentTables
from multiconnection.storage.admin_accounts import AdminAccountsTable
from multiconnection.storage.admin_catalog import AdminCatalogTable
from multiconnection.storage.audit import AuditedWrites, AuditTable
from multiconnection.storage.cognito import UserPool
from multiconnection.storage.driver import Driver
from multiconnection.storage.orders import OrdersTable
from multiconnection.storage.people import CognitoPeople
from multiconnection.storage.provider_metrics import CloudWatchMetrics
from multiconnection.storage.reports import ReportsTable
from multiconnection.storage.switches import AdminSwitchesTable
from multiconnection.storage.usage_history import UsageHistoryTable

from .base import Base, build_base
from .console import ConsoleContainer, console_container
from .data_plane import parts_of


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminContainer(ConsoleContainer):
    """Everything the administrators' function needs."""

    admin: AdminDesk


def build_admin(settings: Settings) -> AdminContainer:
    """Call it on a running event loop."""
    base = build_base(settings)
    return AdminContainer(**parts_of(console_container(base)), admin=build_admin_services(base))


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
