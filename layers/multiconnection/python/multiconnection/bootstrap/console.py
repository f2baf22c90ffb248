"""The control plane: everything of the data plane, and what people in browsers need besides."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Protocol

from starlette.datastructures import State

from multiconnection.accounts.service import CreditTerms, GrantSlots, LimitDefaults, Onboarding, Profile, ProfileStore
from multiconnection.accounts.store import ProfilesTable
from multiconnection.audit.log import Audit, AuditEntries, AuditTable
from multiconnection.aws.dynamo import Driver
from multiconnection.aws.s3 import BotoLinks, PayloadStore
from multiconnection.catalog.service import PriceBook, PriceVersions
from multiconnection.catalog.store import PriceVersionsTable
from multiconnection.config import Settings
from multiconnection.credits.balance import ConsoleMoney
from multiconnection.history.service import ConsoleUsage, UsageHistory, UsageReader, UsageService
from multiconnection.history.store import UsageHistoryTable
from multiconnection.identity.attempts import AttemptQuotas, Attempts
from multiconnection.identity.challenges import Challenges
from multiconnection.identity.cognito import Cognito, JwksUrl, UserPool
from multiconnection.identity.id_tokens import IdTokens
from multiconnection.identity.models import IdentityProvider, TokenVerifier
from multiconnection.identity.sessions import SessionEnds, SessionKeys, Sessions
from multiconnection.identity.sign_in import Passwords, SignIn, SignUp, Totp
from multiconnection.keys.models import KeyRecords
from multiconnection.keys.schemas import CatalogReader, KeyWishes
from multiconnection.keys.service import ConsoleKeys, KeyChanges, KeyChangeStore, KeyService
from multiconnection.keys.store import KeyChangesTable
from multiconnection.ledger.ledger import Ledger
from multiconnection.ledger.models import Account, AccountLimits, CreditRow, UsageRow
from multiconnection.ledger.store import Store
from multiconnection.limits.gcra import LimitStore
from multiconnection.limits.limiter import ConsoleQuota
from multiconnection.limits.store import LimitsTable
from multiconnection.orders.decisions import AccountReader, OrderDecisions
from multiconnection.orders.models import OrderStore, OrderTerms, Workflow
from multiconnection.orders.notifications import AwsNotices, NoticeChannels, StepFunctionsWorkflow
from multiconnection.orders.receipts import ReceiptService
from multiconnection.orders.service import OrderAccess, OrderService
from multiconnection.orders.store import OrdersTable
from multiconnection.orders.workflow import OrderRepair, RechargeSteps
from multiconnection.ports import Alarms, Clock, Rng
from multiconnection.web.app import Process

from .base import Base, build_base
from .gateway import serve

# The console's API as one object: what the routes below /api need besides accounts, orders and administration.


@dataclass(frozen=True, slots=True)
class Console:
    keys: ConsoleKeys
    usage: ConsoleUsage
    money: ConsoleMoney
    quota: ConsoleQuota


def console(
    records: KeyRecords,
    changes: KeyChangeStore,
    books: Store,
    reader: UsageReader,
    versions: PriceVersions,
    catalog: CatalogReader,
    limits: LimitStore,
    on_limit_error: Callable[[str], None],
    clock: Clock,
    rng: Rng,
) -> Console:
    """Put together from its ports."""
    history = UsageHistory(reader, rng)
    keys = ConsoleKeys(
        keys=KeyService(records, books, clock, rng),
        records=records,
        changes=KeyChanges(records, changes, books, clock, rng),
        accounts=books,
        wishes=KeyWishes(catalog),
        history=history,
        clock=clock,
    )
    usage = ConsoleUsage(history, UsageService(books), PriceBook(versions), records, clock)
    return Console(keys, usage, ConsoleMoney(books), ConsoleQuota(limits, clock, on_limit_error))


# Accounts and sessions as one object: what the routes below /api/auth and /api/account need.


@dataclass(frozen=True, slots=True)
class Identity:
    sessions: Sessions
    sign_up: SignUp
    sign_in: SignIn
    passwords: Passwords
    totp: Totp
    profile: Profile
    public_origins: frozenset[str]


# The services about recharge orders, put together once.


@dataclass(frozen=True, slots=True)
class OrderDesk:
    """`own` is a user's own orders, `decisions` is what administrators do."""

    own: OrderService
    receipts: ReceiptService
    decisions: OrderDecisions


def build_console(state: State, settings: Settings) -> Process:
    """Everything that browsers of signed-in users call."""
    base = build_base(settings)
    set_up_console(state, base)
    return serve(state, base)


def set_up_console(state: State, base: Base) -> None:
    audit = AuditTable(base.driver, base.settings.audit_table, AuditEntries(base.clock, base.rng))
    put_identity(state, build_identity(base))
    put_console(state, build_console_services(base))
    put_orders(state, build_order_desk(base, audit))


def put_identity(state: State, made: Identity) -> None:
    state.sessions, state.public_origins = made.sessions, made.public_origins
    state.sign_up, state.sign_in = made.sign_up, made.sign_in
    state.passwords, state.totp, state.profile = made.passwords, made.totp, made.profile
    state.ensure_account = made.profile.account


def put_console(state: State, made: Console) -> None:
    state.keys, state.history, state.money, state.quota = made.keys, made.usage, made.money, made.quota


def put_orders(state: State, made: OrderDesk) -> None:
    state.orders, state.receipts, state.decisions = made.own, made.receipts, made.decisions


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


# Accounts and sessions: the user pool, the verifier of its tokens, and the use cases over both.


def build_identity(base: Base) -> Identity:
    """Nothing is fetched before the first request that has to do with a person."""
    settings, driver, ledger = base.settings, base.driver, base.ledger
    # Functions without sessions have no pool and never ask.
    pool = UserPool(
        settings.user_pool_id or "", settings.user_pool_client_id or "", settings.region, settings.aws_endpoint_url
    )
    return identity(
        provider=Cognito(base.session, base.credentials, pool),
        verifier=IdTokens(JwksUrl(base.session, pool.jwks_url), pool.issuer, pool.client_id, base.clock),
        ledger=ledger,
        profiles=ProfilesTable(driver, settings.balances_table, settings.credits_table),
        limits=LimitsTable(driver, settings.limits_table),
        keys=KeyService(base.keys, ledger.store, base.clock, base.rng),
        defaults=settings,
        alarms=base.alarms,
        clock=base.clock,
        rng=base.rng,
        config=IdentityConfig(
            test_credit=CreditTerms(
                settings.test_credit_nano, settings.test_credit_mode, settings.test_credits_per_network
            ),
            quotas=AttemptQuotas(
                ip_attempts=settings.ip_sign_in_attempts,
                email_attempts=settings.email_sign_in_attempts,
                ip_mails=settings.ip_mails_per_hour,
                email_mails=settings.email_mails_per_hour,
            ),
            public_origins=settings.public_origins,
        ),
    )


# Recharge orders: the desk of the API functions, the steps and the repair of the workers.


def build_order_desk(base: Base, audit: Audit) -> OrderDesk:
    """What users and administrators do with orders; nothing here can credit."""
    settings = base.settings
    return order_desk(
        OrdersTable(base.driver, settings.orders_table),
        _workflow(settings),
        base.ledger.store,
        base.objects,
        audit,
        order_terms(settings),
        alarms=base.alarms,
        clock=base.clock,
        rng=base.rng,
    )


def build_recharge(
    settings: Settings, driver: Driver, ledger: Ledger, alarms: Alarms, clock: Clock, rng: Rng
) -> RechargeSteps:
    """The one place from which orders are credited."""
    channels = NoticeChannels(settings.notice_sender, settings.admin_email, settings.admin_topic_arn)
    notices = AwsNotices(channels, settings.region, settings.aws_endpoint_url)
    return RechargeSteps(OrdersTable(driver, settings.orders_table), ledger, notices, alarms, clock, rng)


def build_order_repair(settings: Settings, driver: Driver, alarms: Alarms, clock: Clock) -> OrderRepair:
    store = OrdersTable(driver, settings.orders_table)
    return OrderRepair(store, _workflow(settings), alarms, clock, settings.order_ttl_s)


def build_order_tools(
    settings: Settings, driver: Driver, ledger: Ledger, audit: Audit, alarms: Alarms, clock: Clock, rng: Rng
) -> OrderDesk:
    """The same desk for operators' tools."""
    return order_desk(
        OrdersTable(driver, settings.orders_table),
        _workflow(settings),
        ledger.store,
        BotoLinks(settings.payload_bucket, settings.region, settings.aws_endpoint_url),
        audit,
        order_terms(settings),
        alarms=alarms,
        clock=clock,
        rng=rng,
    )


def order_terms(settings: Settings) -> OrderTerms:
    return OrderTerms(
        rates=settings.order_rates,
        least=settings.order_min_nano,
        most=settings.order_max_nano,
        ttl_s=settings.order_ttl_s,
        open_max=settings.orders_open_max,
        legal_entity=settings.legal_entity,
        bank_details=settings.bank_details,
    )


def _workflow(settings: Settings) -> StepFunctionsWorkflow:
    return StepFunctionsWorkflow(settings.recharge_state_machine_arn, settings.region, settings.aws_endpoint_url)


# Longer than a provider's usual answer, so that its haste with unknown addresses does not show.
ANSWER_S = 0.4


class BooksStore(Protocol):
    """The reading part of the ledger's `Store`."""

    async def account(self, account_id: str) -> Account | None: ...
    async def credit_row(self, account_id: str, credit_id: str) -> CreditRow | None: ...
    def usage_rows(self, account_id: str) -> AsyncIterator[UsageRow]: ...


class Books(Protocol):
    """The part of `Ledger` that opens accounts."""

    @property
    def store(self) -> BooksStore: ...
    async def create_account(self, account_id: str, name: str, limits: AccountLimits) -> Account: ...
    async def credit(self, row: CreditRow) -> CreditRow: ...


class PeopleLimits(LimitStore, GrantSlots, Protocol):
    """Attempts, and grants of a day."""


@dataclass(frozen=True, slots=True)
class IdentityConfig:
    """`public_origins` are browsers' origins besides the host a request was sent to, `https://console.example.com`."""

    test_credit: CreditTerms
    quotas: AttemptQuotas = field(default_factory=AttemptQuotas)
    public_origins: frozenset[str] = frozenset()
    answer_s: float = ANSWER_S


def identity(
    provider: IdentityProvider,
    verifier: TokenVerifier,
    ledger: Books,
    profiles: ProfileStore,
    limits: PeopleLimits,
    keys: SessionKeys,
    defaults: LimitDefaults,
    alarms: Alarms,
    clock: Clock,
    rng: Rng,
    config: IdentityConfig,
) -> Identity:
    """Put together from its ports."""
    attempts = Attempts(limits, clock, config.quotas)
    sessions = Sessions(provider, verifier, attempts, clock)
    ends = SessionEnds(provider, keys, clock)
    onboarding = Onboarding(ledger, ledger.store, profiles, limits, clock, rng, config.test_credit)
    return Identity(
        sessions=sessions,
        sign_up=SignUp(provider, attempts, ends, config.answer_s),
        sign_in=SignIn(
            provider, sessions, attempts, onboarding, ends, Challenges(provider, clock), alarms, config.answer_s
        ),
        passwords=Passwords(provider, sessions, attempts, ends, config.answer_s),
        totp=Totp(provider, attempts),
        profile=Profile(onboarding, ledger.store, keys, provider, defaults),
        public_origins=config.public_origins,
    )


def order_desk(
    store: OrderStore,
    workflow: Workflow,
    accounts: AccountReader,
    payloads: PayloadStore,
    audit: Audit,
    terms: OrderTerms,
    *,
    alarms: Alarms,
    clock: Clock,
    rng: Rng,
) -> OrderDesk:
    access = OrderAccess(store, workflow, alarms, rng)
    own = OrderService(access, terms, clock, rng)
    receipts = ReceiptService(access, own, payloads, clock)
    return OrderDesk(own, receipts, OrderDecisions(access, accounts, receipts, audit, clock))
