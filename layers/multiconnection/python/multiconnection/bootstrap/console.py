"""The console: accounts, sessions, keys, call history, balances and orders, as signed-in users call them."""

from dataclasses import dataclass, field

from starlette.datastructures import State

from multiconnection.accounts.models import CreditTerms
from multiconnection.accounts.service import AccountService, Onboarding
from multiconnection.accounts.store import ProfilesTable
from multiconnection.catalog.service import CatalogService, PriceBook
from multiconnection.catalog.store import CatalogTable
from multiconnection.config import Settings
from multiconnection.credits.service import BalanceService
from multiconnection.history.service import CallHistory, UsageHistory, UsageService
from multiconnection.history.store import UsageHistoryTable
from multiconnection.identity.attempts import AttemptLimits, AttemptQuotas
from multiconnection.identity.challenges import Challenges
from multiconnection.identity.cognito import Cognito, JwksUrl, UserPool
from multiconnection.identity.id_tokens import IdTokens
from multiconnection.identity.models import IdentityProvider
from multiconnection.identity.sessions import SessionRevoker, Sessions
from multiconnection.identity.sign_in import Passwords, SignIn, SignUp, Totp
from multiconnection.keys.service import KeyService
from multiconnection.keys.store import KeysTable
from multiconnection.ledger.ledger import Ledger
from multiconnection.ledger.store import Store
from multiconnection.limits.limiter import ConsoleQuota, Limiter
from multiconnection.limits.store import LimitsTable
from multiconnection.ports import Alarms, Clock, Rng
from multiconnection.web.app import Process

from .base import Base, build_base
from .gateway import serve
from .orders import order_access, order_terms, put_orders

# Longer than the provider's usual answer, so that its faster answer for unknown addresses does not show.
ANSWER_S = 0.4


def build_console(state: State, settings: Settings) -> Process:
    """Everything that browsers of signed-in users call, and /v1/usage and /v1/balance."""
    base = build_base(settings)
    set_up_console(state, base)
    state.usage = UsageService(base.ledger.store)
    access = order_access(settings, base.driver, base.aws, base.alarms, base.clock, base.rng)
    put_orders(state, access, order_terms(settings), base.objects)
    return serve(state, base)


def set_up_console(state: State, base: Base) -> None:
    """Sessions, and the services of keys, calls and balances."""
    services = console_services(
        keys_table=base.keys,
        ledger_store=base.ledger.store,
        usage_table=UsageHistoryTable(base.driver, base.settings.usage_table),
        catalog_table=base.catalog_table,
        catalog=base.catalog,
        limiter=base.limiter,
        clock=base.clock,
        rng=base.rng,
    )
    services.put(state)
    _build_identity(base, services.keys).put(state)


@dataclass(frozen=True, slots=True)
class ConsoleServices:
    """Services of the console's routes for keys, calls and balances."""

    keys: KeyService
    history: CallHistory
    balances: BalanceService
    quota: ConsoleQuota

    def put(self, state: State) -> None:
        state.keys, state.history, state.balances, state.quota = self.keys, self.history, self.balances, self.quota


def console_services(
    keys_table: KeysTable,
    ledger_store: Store,
    usage_table: UsageHistoryTable,
    catalog_table: CatalogTable,
    catalog: CatalogService,
    limiter: Limiter,
    clock: Clock,
    rng: Rng,
) -> ConsoleServices:
    """The services over any tables: those of a function, or of a test."""
    history = UsageHistory(usage_table, rng)
    keys = KeyService(keys_table, ledger_store, clock, rng, catalog.model_id, history.last_uses)
    calls = CallHistory(history, UsageService(ledger_store), PriceBook(catalog_table), keys_table, clock)
    return ConsoleServices(keys, calls, BalanceService(ledger_store), ConsoleQuota(limiter))


@dataclass(frozen=True, slots=True)
class IdentityServices:
    """Services of the routes below /api/auth and /api/account."""

    sessions: Sessions
    sign_up: SignUp
    sign_in: SignIn
    passwords: Passwords
    totp: Totp
    account: AccountService
    public_origins: frozenset[str]

    def put(self, state: State) -> None:
        state.sessions, state.public_origins = self.sessions, self.public_origins
        state.sign_up, state.sign_in = self.sign_up, self.sign_in
        state.passwords, state.totp, state.account = self.passwords, self.totp, self.account
        state.ensure_account = self.account.account


@dataclass(frozen=True, slots=True)
class IdentityConfig:
    """`public_origins` are origins besides the host of a request, such as `https://console.example.com`."""

    test_credit: CreditTerms
    quotas: AttemptQuotas = field(default_factory=AttemptQuotas)
    public_origins: frozenset[str] = frozenset()
    answer_s: float = ANSWER_S


def identity_services(
    provider: IdentityProvider,
    id_tokens: IdTokens,
    ledger: Ledger,
    profiles: ProfilesTable,
    limiter: Limiter,
    slots: LimitsTable,
    keys: KeyService,
    settings: Settings,
    alarms: Alarms,
    clock: Clock,
    rng: Rng,
    config: IdentityConfig,
) -> IdentityServices:
    """The services over any identity provider and tables: those of a function, or of a test."""
    attempts = AttemptLimits(limiter, config.quotas)
    sessions = Sessions(provider, id_tokens, attempts, clock)
    revoker = SessionRevoker(provider, keys.end_session_keys)
    challenges = Challenges(provider.client_secret, clock)
    onboarding = Onboarding(ledger, profiles, slots, clock, rng, config.test_credit)
    return IdentityServices(
        sessions=sessions,
        sign_up=SignUp(provider, attempts, revoker, config.answer_s),
        sign_in=SignIn(provider, sessions, attempts, onboarding.ensure, revoker, challenges, alarms, config.answer_s),
        passwords=Passwords(provider, sessions, attempts, revoker, config.answer_s),
        totp=Totp(provider, attempts),
        account=AccountService(onboarding, ledger.store, keys, provider, settings),
        public_origins=config.public_origins,
    )


def _build_identity(base: Base, keys: KeyService) -> IdentityServices:
    """Cognito, and the verifier of its tokens; fetches nothing before the first request of a person."""
    settings, driver, ledger = base.settings, base.driver, base.ledger
    pool = user_pool(settings)
    return identity_services(
        provider=Cognito(base.aws, pool),
        id_tokens=IdTokens(JwksUrl(base.aws, pool.jwks_url).fetch, pool.issuer, pool.client_id, base.clock),
        ledger=ledger,
        profiles=ProfilesTable(driver, settings.balances_table, settings.credits_table),
        limiter=base.limiter,
        slots=LimitsTable(driver, settings.limits_table),
        keys=keys,
        settings=settings,
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


def user_pool(settings: Settings) -> UserPool:
    """The pool of the settings; functions without sessions have none and never call it."""
    return UserPool(
        settings.user_pool_id or "", settings.user_pool_client_id or "", settings.region, settings.aws_endpoint_url
    )
