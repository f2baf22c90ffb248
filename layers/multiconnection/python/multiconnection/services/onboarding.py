"""The first sign-in: an account, its profile and the test credit, each exactly once, whatever is repeated or lost."""

import contextlib
from collections.abc import Awaitable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Literal, Protocol, TypeVar

from multiconnection.domain.errors import LedgerUnavailable
from multiconnection.domain.mailboxes import mailbox_of
from multiconnection.domain.ports import Clock, Rng
from multiconnection.domain.sessions import Session
from multiconnection.ledger.accounts import Account, AccountLimits, CreditRow
from multiconnection.ledger.credit import CreditRefused
from multiconnection.ledger.retry import Retry
from multiconnection.ledger.store import AccountRefused, OutcomeUnknown, StoreError

TEST_CREDIT_ID = "test-credit"
ATTEMPTS_MAX = 4
# A day's slots of one network are kept beyond the day, so that no clock of ours finds them gone too soon.
SLOTS_KEPT_S = 2 * 86400
# One household or server has a whole /48 or /56 of IPv6; of IPv4 a provider assigns neighbours.
_IPV4_PREFIX, _IPV6_PREFIX = 24, 48
_NO_LIMITS = AccountLimits()
CreditMode = Literal["automatic", "approval", "off"]
# Why an account has no test credit. The first two can be granted by an administrator.
Withheld = Literal["awaiting_approval", "network_limit", "mailbox_used"]
AWAITED: tuple[Withheld, ...] = ("awaiting_approval", "network_limit")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CreditTerms:
    """What a new account is granted, in which way, and how many accounts of one network are in a day (UTC)."""

    nano: int
    mode: CreditMode = "automatic"
    per_network: int = 5

    @property
    def is_offered(self) -> bool:
        return self.nano > 0 and self.mode != "off"


def granted_row(account_id: str, nano: int, actor: str, now_s: float) -> CreditRow:
    """Under its fixed id: the ledger takes it once, whoever grants it."""
    return CreditRow(account_id, TEST_CREDIT_ID, nano, "grant", "Test credit", actor, int(now_s * 1000))


class AccountBooks(Protocol):
    """The part of `Ledger` that opens accounts."""

    async def create_account(self, account_id: str, name: str, limits: AccountLimits) -> Account:
        """Raises AccountRefused when the id is taken, or StoreError."""

    async def credit(self, row: CreditRow) -> CreditRow:
        """Once for each credit id. Raises CreditRefused or StoreError."""


class AccountReader(Protocol):
    async def account(self, account_id: str) -> Account | None: ...
    async def credit_row(self, account_id: str, credit_id: str) -> CreditRow | None: ...


class ProfileStore(Protocol):
    async def remember(self, account_id: str, email: str, name: str) -> None:
        """Keep what the operator's lists show of a person; changes nothing where it is known. Raises StoreError."""

    async def claim(self, mailbox: str, account_id: str) -> bool:
        """Whether this account is the first one of the mailbox to ask, however often it asks. Raises StoreError."""

    async def withhold(self, account_id: str, why: Withheld | None) -> None:
        """Keep why an account has no test credit; None where it has. Raises StoreError."""

    async def withheld(self, account_id: str) -> Withheld | None:
        """Raises StoreError."""


class GrantSlots(Protocol):
    async def slot(self, subject: str, member: str, most: int, expires_s: int) -> bool:
        """Whether `member` is among the first `most` that asked, however often it asks. Raises StoreError."""


class Onboarding:
    """Runs at every sign-in: what an earlier one left undone is done now."""

    def __init__(
        self,
        books: AccountBooks,
        reader: AccountReader,
        profiles: ProfileStore,
        slots: GrantSlots,
        clock: Clock,
        rng: Rng,
        terms: CreditTerms,
    ) -> None:
        self._books = books
        self._reader = reader
        self._profiles = profiles
        self._slots = slots
        self._clock = clock
        self._retry = Retry(rng)
        self._terms = terms

    async def ensure(self, session: Session, ip: str) -> Account:
        """The account's image, credit included. Raises LedgerUnavailable."""
        return await _available(self._ensure(session, ip))

    async def withheld(self, account_id: str) -> Withheld | None:
        """Why the account has no test credit, while one is offered. Raises LedgerUnavailable."""
        if not self._terms.is_offered:
            return None
        return await _available(self._retry(lambda: self._profiles.withheld(account_id), ATTEMPTS_MAX))

    async def remember(self, session: Session, name: str) -> None:
        """Raises LedgerUnavailable."""
        await _available(self._remember(session, name))

    async def _ensure(self, session: Session, ip: str) -> Account:
        account = await self._opened(session)
        await self._remember(session, session.name)
        if await self._granted(account, session.email, ip):
            account = await self._read(session.account_id)
        return account

    async def _opened(self, session: Session) -> Account:
        account_id = session.account_id
        try:
            return await self._retry(
                lambda: self._books.create_account(account_id, session.name, _NO_LIMITS), ATTEMPTS_MAX
            )
        except AccountRefused as exc:
            return exc.image or await self._read(account_id)

    async def _remember(self, session: Session, name: str) -> None:
        await self._retry(lambda: self._profiles.remember(session.account_id, session.email, name), ATTEMPTS_MAX)

    async def _granted(self, account: Account, email: str, ip: str) -> bool:
        """Whether the books changed. The fixed id makes the ledger refuse a second grant, whoever asks, whenever.

        One mailbox is granted one: its claim is written first and names the account, so that a crash in between heals.
        The same holds for the network's slot of the day.
        """
        account_id = account.account_id
        if not self._terms.is_offered or await self._known_credit(account_id):
            return False
        why = await self._why_not(account_id, email, ip)
        if why is None:
            # Granted a moment ago by a process with another setting, or by an administrator: that one stands.
            with contextlib.suppress(CreditRefused):
                await self._books.credit(granted_row(account_id, self._terms.nano, "system", self._clock.now()))
        await self._retry(lambda: self._profiles.withhold(account_id, why), ATTEMPTS_MAX)
        return why is None

    async def _why_not(self, account_id: str, email: str, ip: str) -> Withheld | None:
        if not await self._retry(lambda: self._profiles.claim(mailbox_of(email), account_id), ATTEMPTS_MAX):
            return "mailbox_used"
        if self._terms.mode == "approval":
            return "awaiting_approval"
        return None if await self._slot(account_id, ip) else "network_limit"

    async def _slot(self, account_id: str, ip: str) -> bool:
        now_s = int(self._clock.now())
        subject, most = f"credit:{_network(ip)}:{now_s // 86400}", self._terms.per_network
        return await self._retry(
            lambda: self._slots.slot(subject, account_id, most, now_s + SLOTS_KEPT_S), ATTEMPTS_MAX
        )

    async def _known_credit(self, account_id: str) -> bool:
        return await self._retry(lambda: self._reader.credit_row(account_id, TEST_CREDIT_ID), ATTEMPTS_MAX) is not None

    async def _read(self, account_id: str) -> Account:
        account = await self._retry(lambda: self._reader.account(account_id), ATTEMPTS_MAX)
        if account is None:
            raise OutcomeUnknown("an account was there and is gone")
        return account


def _network(ip: str) -> str:
    """The network that an address belongs to; what is no address is one of its own."""
    try:
        address = ip_address(ip)
    except ValueError:
        return ip
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return str(ip_network((int(address), _IPV6_PREFIX), strict=False))
        address = address.ipv4_mapped
    return str(ip_network((int(address), _IPV4_PREFIX), strict=False))


async def _available(work: Awaitable[T]) -> T:
    try:
        return await work
    except StoreError as exc:
        raise LedgerUnavailable("Your account cannot be opened right now, please try again.", retry_after_s=1) from exc
