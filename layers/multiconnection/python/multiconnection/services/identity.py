"""Accounts and sessions as one object: what the routes below /api/auth and /api/account need."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Protocol

from multiconnection.domain.ports import Clock, Rng
from multiconnection.ledger.accounts import Account, AccountLimits, CreditRow, UsageRow
from multiconnection.ledger.store import Alarms

from .attempts import AttemptQuotas, Attempts
from .challenges import Challenges
from .identity_ports import IdentityProvider, TokenVerifier
from .limit_store import LimitStore
from .onboarding import CreditTerms, GrantSlots, Onboarding, ProfileStore
from .passwords import Passwords
from .profile import LimitDefaults, Profile
from .session_ends import SessionEnds, SessionKeys
from .sessions import Sessions
from .sign_in import SignIn
from .sign_up import SignUp
from .totp import Totp

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


@dataclass(frozen=True, slots=True)
class Identity:
    sessions: Sessions
    sign_up: SignUp
    sign_in: SignIn
    passwords: Passwords
    totp: Totp
    profile: Profile
    public_origins: frozenset[str]


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
