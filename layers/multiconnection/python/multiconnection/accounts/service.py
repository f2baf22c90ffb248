"""Accounts of the signed-in user: opened at the first sign-in with the test credit, shown, renamed."""

import contextlib
from ipaddress import IPv6Address, ip_address, ip_network

from multiconnection.config import Settings
from multiconnection.identity.models import IdentityProvider, Session
from multiconnection.identity.sessions import Access
from multiconnection.keys.models import API
from multiconnection.keys.service import KeyService
from multiconnection.ledger.credit import CreditRefused
from multiconnection.ledger.ledger import Ledger
from multiconnection.ledger.models import Account, AccountLimits
from multiconnection.ledger.store import AccountRefused, Store
from multiconnection.limits.store import LimitsTable
from multiconnection.ports import Clock, Rng
from multiconnection.retry import OutcomeUnknown, Retry, unavailable_as

from .mailboxes import mailbox_of
from .models import TEST_CREDIT_ID, CreditTerms, Overview, Withheld, granted_row
from .store import ProfilesTable

ATTEMPTS_MAX = 4
# A network's slots are kept longer than their day, so that a clock that is behind still finds them.
SLOTS_KEPT_S = 2 * 86400
# One household or server has a whole /48 or /56 of IPv6; of IPv4 a provider assigns neighbours.
_IPV4_PREFIX, _IPV6_PREFIX = 24, 48
_NO_LIMITS = AccountLimits()
_CANNOT_BE_OPENED = "Your account cannot be opened right now, please try again."
_CANNOT_BE_READ = "Your account cannot be read right now, please try again."


class Onboarding:
    """Open an account, keep its owner's profile and grant the test credit, each exactly once.

    Runs at every sign-in, and completes what an earlier one left undone.
    """

    def __init__(
        self, ledger: Ledger, profiles: ProfilesTable, slots: LimitsTable, clock: Clock, rng: Rng, terms: CreditTerms
    ) -> None:
        self._ledger = ledger
        self._profiles = profiles
        self._slots = slots
        self._clock = clock
        self._retry = Retry(rng)
        self._terms = terms

    async def ensure(self, session: Session, ip: str) -> Account:
        """The account's image, credit included. Raises LedgerUnavailable."""
        with unavailable_as(_CANNOT_BE_OPENED):
            account = await self._opened(session)
            await self._remember(session, session.name)
            if await self._granted(account, session.email, ip):
                account = await self._read(session.account_id)
            return account

    async def withheld(self, account_id: str) -> Withheld | None:
        """The reason why an account has no test credit, while one is offered. Raises LedgerUnavailable."""
        if not self._terms.is_offered:
            return None
        with unavailable_as(_CANNOT_BE_OPENED):
            return await self._retry(lambda: self._profiles.withheld(account_id), ATTEMPTS_MAX)

    async def remember(self, session: Session, name: str) -> None:
        """Keep the owner's address and name for the operator's lists. Raises LedgerUnavailable."""
        with unavailable_as(_CANNOT_BE_OPENED):
            await self._remember(session, name)

    async def _opened(self, session: Session) -> Account:
        account_id = session.account_id
        try:
            return await self._retry(
                lambda: self._ledger.create_account(account_id, session.name, _NO_LIMITS), ATTEMPTS_MAX
            )
        except AccountRefused as exc:
            return exc.image or await self._read(account_id)

    async def _remember(self, session: Session, name: str) -> None:
        await self._retry(lambda: self._profiles.remember(session.account_id, session.email, name), ATTEMPTS_MAX)

    async def _granted(self, account: Account, email: str, ip: str) -> bool:
        """True if the account was credited. The fixed id makes the ledger refuse a second grant at any time.

        A mailbox is granted one credit: its claim is written first and names the account, so that the next sign-in
        repairs a crash in between. The same holds for the network's slot of the day.
        """
        account_id = account.account_id
        if not self._terms.is_offered or await self._has_credit(account_id):
            return False
        why = await self._reason_to_withhold(account_id, email, ip)
        if why is None:
            # Granted a moment ago by a process with another setting, or by an administrator: that one stands.
            with contextlib.suppress(CreditRefused):
                await self._ledger.credit(granted_row(account_id, self._terms.nano, "system", self._clock.now()))
        await self._retry(lambda: self._profiles.withhold(account_id, why), ATTEMPTS_MAX)
        return why is None

    async def _has_credit(self, account_id: str) -> bool:
        store = self._ledger.store
        return await self._retry(lambda: store.credit_row(account_id, TEST_CREDIT_ID), ATTEMPTS_MAX) is not None

    async def _reason_to_withhold(self, account_id: str, email: str, ip: str) -> Withheld | None:
        if not await self._retry(lambda: self._profiles.claim(mailbox_of(email), account_id), ATTEMPTS_MAX):
            return "mailbox_used"
        if self._terms.mode == "approval":
            return "awaiting_approval"
        return None if await self._has_slot(account_id, ip) else "network_limit"

    async def _has_slot(self, account_id: str, ip: str) -> bool:
        """True if the account is among the first of its network today."""
        now_s = int(self._clock.now())
        subject, most = f"credit:{_network(ip)}:{now_s // 86400}", self._terms.per_network
        return await self._retry(
            lambda: self._slots.slot(subject, account_id, most, now_s + SLOTS_KEPT_S), ATTEMPTS_MAX
        )

    async def _read(self, account_id: str) -> Account:
        account = await self._retry(lambda: self._ledger.store.account(account_id), ATTEMPTS_MAX)
        if account is None:
            raise OutcomeUnknown("an account was there and is gone")
        return account


def _network(ip: str) -> str:
    """The network that an address belongs to; a text that is not an address is a network of its own."""
    try:
        address = ip_address(ip)
    except ValueError:
        return ip
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return str(ip_network((int(address), _IPV6_PREFIX), strict=False))
        address = address.ipv4_mapped
    return str(ip_network((int(address), _IPV4_PREFIX), strict=False))


class AccountService:
    """The signed-in user's account for the console's first page, and the user's own name."""

    def __init__(
        self,
        onboarding: Onboarding,
        store: Store,
        keys: KeyService,
        provider: IdentityProvider,
        settings: Settings,
    ) -> None:
        self._onboarding = onboarding
        self._store = store
        self._keys = keys
        self._provider = provider
        self._settings = settings

    async def account(self, session: Session, ip: str) -> Account:
        """The account, opened here if it is missing. Raises LedgerUnavailable."""
        with unavailable_as(_CANNOT_BE_READ):
            found = await self._store.account(session.account_id)
        return found or await self._onboarding.ensure(session, ip)

    async def overview(self, session: Session, ip: str) -> Overview:
        """Raises LedgerUnavailable."""
        account = await self.account(session, ip)
        with unavailable_as(_CANNOT_BE_READ):
            # A key that the playground made does not count as the owner's first step.
            has_key = any(key.kind == API for key in await self._keys.list(session.account_id))
            has_call = await self._has_call(account)
        # An account that has had any money is not waiting for its first credit.
        withheld = None if account.credits_in else await self._onboarding.withheld(session.account_id)
        return Overview(account, self._in_force(account.limits), has_key, has_call, withheld)

    async def rename(self, access: Access, name: str) -> None:
        """Change the name at the provider first, whose ID tokens carry it.

        Raises IdentityUnavailable or LedgerUnavailable.
        """
        await self._provider.rename(access.access_token, name)
        await self._onboarding.remember(access.session, name)

    async def _has_call(self, account: Account) -> bool:
        """Free calls charge nothing, but have rows."""
        if account.charged or account.live_holds:
            return True
        async for _ in self._store.usage_rows(account.account_id):
            return True
        return False

    def _in_force(self, own: AccountLimits) -> AccountLimits:
        """The account's own limits where it has any, the deployment's otherwise."""
        return AccountLimits(
            own.requests_per_minute or self._settings.account_requests_per_minute,
            own.tokens_per_minute or self._settings.account_tokens_per_minute,
            own.in_flight_max or self._settings.in_flight_max,
        )
