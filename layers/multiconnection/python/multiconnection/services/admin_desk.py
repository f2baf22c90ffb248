"""Administration as one object: what the routes below /api/admin and the operators' commands need besides orders."""

from collections.abc import Awaitable, Callable, Container, Sequence
from dataclasses import dataclass
from typing import Protocol

from multiconnection.domain.ports import Clock, Rng
from multiconnection.ledger.store import Store

from .admin_access import Reliable
from .admin_accounts import AccountStore, AdminAccounts, KeyLister, OrderLister, People
from .admin_adjustments import AdjustmentStore, AdminAdjustments
from .admin_costs import CostBook, EntryVersions
from .admin_health import ProviderHealth, ProviderMetrics
from .admin_models import AdminModels, CatalogStore
from .admin_providers import AdminProviders, SwitchStore
from .admin_reconciliation import AdminReconciliation, EntryStore, ReportStore
from .admin_revenue import AdminRevenue, TakingsStore
from .admin_takings import TakingsCounter
from .audit_trail import AuditEntries, AuditReader, AuditTrail
from .console_money import ConsoleMoney
from .maintenance import Maintenance
from .onboarding import CreditTerms
from .usage_history import UsageReader


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


@dataclass(frozen=True, slots=True)
class ProviderNames:
    """`refresh` brings `configured` up to date before it is asked."""

    names: Sequence[str]
    configured: Container[str]
    refresh: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class AdminDesk:
    accounts: AdminAccounts
    adjustments: AdminAdjustments
    models: AdminModels
    providers: AdminProviders
    revenue: AdminRevenue
    reconciliation: AdminReconciliation
    trail: AuditTrail


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
