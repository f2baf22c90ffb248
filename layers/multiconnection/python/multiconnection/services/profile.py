"""What the console's first page says about an account, and the person's own name."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from multiconnection.domain.api_keys import API, ApiKey
from multiconnection.domain.errors import LedgerUnavailable
from multiconnection.domain.sessions import Session
from multiconnection.ledger.accounts import Account, AccountLimits, UsageRow
from multiconnection.ledger.store import StoreError

from .identity_ports import IdentityProvider
from .onboarding import Onboarding, Withheld
from .sessions import Access


class LimitDefaults(Protocol):
    """The deployment's limits; `config.Settings` has them."""

    @property
    def account_requests_per_minute(self) -> int: ...
    @property
    def account_tokens_per_minute(self) -> int: ...
    @property
    def in_flight_max(self) -> int: ...


class AccountBooks(Protocol):
    async def account(self, account_id: str) -> Account | None: ...
    def usage_rows(self, account_id: str) -> AsyncIterator[UsageRow]: ...


class KeyLister(Protocol):
    async def list(self, account_id: str) -> Sequence[ApiKey]: ...


@dataclass(frozen=True, slots=True)
class Overview:
    """`limits` are in force: the account's own, or the deployment's. `withheld` is why there is no test credit."""

    account: Account
    limits: AccountLimits
    has_key: bool
    has_call: bool
    withheld: Withheld | None


class Profile:
    def __init__(
        self,
        onboarding: Onboarding,
        books: AccountBooks,
        keys: KeyLister,
        provider: IdentityProvider,
        defaults: LimitDefaults,
    ) -> None:
        self._onboarding = onboarding
        self._books = books
        self._keys = keys
        self._provider = provider
        self._defaults = defaults

    async def account(self, session: Session, ip: str) -> Account:
        """Opened here if the sign-in's books are gone. Raises LedgerUnavailable."""
        try:
            found = await self._books.account(session.account_id)
        except StoreError as exc:
            raise _unavailable() from exc
        return found or await self._onboarding.ensure(session, ip)

    async def overview(self, session: Session, ip: str) -> Overview:
        """Raises LedgerUnavailable."""
        account = await self.account(session, ip)
        try:
            # A page's own short-lived key is no first step of its owner.
            has_key = any(key.kind == API for key in await self._keys.list(session.account_id))
            has_call = await self._has_call(account)
        except StoreError as exc:
            raise _unavailable() from exc
        # Who has had any money is not waiting for the first.
        withheld = None if account.credits_in else await self._onboarding.withheld(session.account_id)
        return Overview(account, self._limits(account.limits), has_key, has_call, withheld)

    async def rename(self, access: Access, name: str) -> None:
        """With the provider first, whose ID tokens carry the name. Raises IdentityUnavailable or LedgerUnavailable."""
        await self._provider.rename(access.access_token, name)
        await self._onboarding.remember(access.session, name)

    async def _has_call(self, account: Account) -> bool:
        """Free calls charge nothing and have rows all the same."""
        if account.charged or account.live_holds:
            return True
        async for _ in self._books.usage_rows(account.account_id):
            return True
        return False

    def _limits(self, own: AccountLimits) -> AccountLimits:
        defaults = self._defaults
        return AccountLimits(
            own.requests_per_minute or defaults.account_requests_per_minute,
            own.tokens_per_minute or defaults.account_tokens_per_minute,
            own.in_flight_max or defaults.in_flight_max,
        )


def _unavailable() -> LedgerUnavailable:
    return LedgerUnavailable("Your account cannot be read right now, please try again.", retry_after_s=1)
