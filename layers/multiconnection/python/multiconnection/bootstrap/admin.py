"""Administration: the function below /api/admin, and the same services for tools and the daily run."""

from collections.abc import Awaitable, Callable, Container, Sequence
from functools import partial

from starlette.datastructures import State

from multiconnection.accounts.admin import AdminAccounts, People
from multiconnection.accounts.models import CreditTerms
from multiconnection.accounts.store import AdminAccountsTable
from multiconnection.audit.log import AuditedWrites, AuditEntries, AuditTable, AuditTrail
from multiconnection.aws.dynamo import Driver
from multiconnection.catalog.admin import AdminModels, AdminProviders
from multiconnection.catalog.health import CloudWatchMetrics, ProviderHealth, ProviderMetrics
from multiconnection.catalog.models import parse_costs
from multiconnection.catalog.providers import provider_names
from multiconnection.catalog.service import PriceBook
from multiconnection.catalog.store import AdminCatalogTable
from multiconnection.config import Settings
from multiconnection.credits.service import AdminAdjustments, BalanceService
from multiconnection.credits.store import AdjustmentsTable, AdjustmentTables
from multiconnection.history.store import UsageHistoryTable
from multiconnection.identity.cognito import CognitoPeople
from multiconnection.keys.service import KeyService
from multiconnection.ledger.jobs import Maintenance
from multiconnection.ledger.ledger import Ledger
from multiconnection.orders.decisions import OrderDecisions
from multiconnection.orders.receipts import receipt_url
from multiconnection.orders.store import OrdersTable
from multiconnection.ports import Alarms, Clock, Rng
from multiconnection.reports.service import (
    AdminReconciliation,
    AdminRevenue,
    DailyRun,
    RevenueCounter,
    RollUp,
)
from multiconnection.reports.store import ReportsTable
from multiconnection.retry import Reliable
from multiconnection.web.app import Process

from .base import Base, build_base
from .console import set_up_console, user_pool
from .gateway import serve
from .orders import order_access


class Administration:
    """Builds the administrators' services over any driver."""

    def __init__(self, settings: Settings, driver: Driver, ledger: Ledger, clock: Clock, rng: Rng) -> None:
        self.entries = AuditEntries(clock, rng)
        self.log = AuditTable(driver, settings.audit_table, self.entries)
        self._settings = settings
        self._driver = driver
        self._ledger = ledger
        self._clock = clock
        self._reliable = Reliable(rng)
        self._writes = AuditedWrites(driver, settings.audit_table)
        self._catalog = AdminCatalogTable(driver, settings.catalog_table, self._writes)
        self._reports = ReportsTable(driver, settings.reports_table)

    def accounts(self, keys: KeyService, people: People | None) -> AdminAccounts:
        settings = self._settings
        return AdminAccounts(
            AdminAccountsTable(self._driver, settings.balances_table, settings.credits_table, self._writes),
            people,
            keys,
            OrdersTable(self._driver, settings.orders_table),
            BalanceService(self._ledger.store),
            self.entries,
            self._reliable,
            CreditTerms(settings.test_credit_nano, settings.test_credit_mode),
            self._clock,
        )

    def adjustments(self) -> AdminAdjustments:
        settings = self._settings
        tables = AdjustmentTables(settings.adjustments_table, settings.balances_table, settings.credits_table)
        return AdminAdjustments(
            AdjustmentsTable(self._driver, tables, self._writes),
            self._ledger.store,
            self.entries,
            self._reliable,
            self._clock,
            settings.adjustment_four_eyes_nano,
        )

    def models(self) -> AdminModels:
        return AdminModels(self._catalog, self.entries, self._reliable)

    def providers(
        self,
        names: Sequence[str],
        configured: Container[str],
        refresh: Callable[[], Awaitable[None]],
        metrics: ProviderMetrics,
    ) -> AdminProviders:
        """`refresh` brings `configured` up to date before it is read."""
        health = ProviderHealth(metrics, names, self._clock)
        return AdminProviders(names, configured, refresh, self._catalog, health, self.entries, self._reliable)

    def revenue(self) -> AdminRevenue:
        return AdminRevenue(self._reports, self._counter(), self._clock)

    def reconciliation(self, maintenance: Maintenance) -> AdminReconciliation:
        return AdminReconciliation(maintenance, self._reports, self.log, self.entries, self._reliable, self._clock)

    def trail(self) -> AuditTrail:
        return AuditTrail(self.log, self._reliable, self._clock)

    def daily(self, maintenance: Maintenance, alarms: Alarms) -> DailyRun:
        roll_up = RollUp(self._reports, self._counter(), self._clock, alarms)
        return DailyRun(maintenance, self._reports, roll_up, self._reliable, alarms, self._clock)

    def _counter(self) -> RevenueCounter:
        usage = UsageHistoryTable(self._driver, self._settings.usage_table)
        return RevenueCounter(self._ledger.store, usage, PriceBook(self._catalog, parse_costs), self._clock)


def build_admin(state: State, settings: Settings) -> Process:
    """The sessions of the console, and the services of administration."""
    base = build_base(settings)
    set_up_console(state, base)
    admin = Administration(settings, base.driver, base.ledger, base.clock, base.rng)
    metrics = CloudWatchMetrics(settings.metrics_namespace, base.aws)
    put_admin(
        state,
        admin,
        KeyService(base.keys, base.ledger.store, base.clock, base.rng),
        _people(base),
        admin.providers(provider_names(), base.providers, base.providers.refresh, metrics),
        Maintenance(base.ledger, base.clock, base.alarms),
    )
    access = order_access(settings, base.driver, base.aws, base.alarms, base.clock, base.rng)
    state.decisions = OrderDecisions(access, base.ledger.store, partial(receipt_url, base.objects), admin.log)
    return serve(state, base)


def put_admin(
    state: State,
    admin: Administration,
    keys: KeyService,
    people: People | None,
    providers: AdminProviders,
    maintenance: Maintenance,
) -> None:
    state.accounts = admin.accounts(keys, people)
    state.adjustments = admin.adjustments()
    state.models = admin.models()
    state.providers = providers
    state.revenue = admin.revenue()
    state.reconciliation = admin.reconciliation(maintenance)
    state.audit = admin.trail()


def _people(base: Base) -> CognitoPeople:
    return CognitoPeople(base.aws, user_pool(base.settings))
