"""The first sign-in: an account, its profile and the test credit, each exactly once, whatever is repeated or lost."""

import contextlib
from collections.abc import Awaitable
from typing import Protocol, TypeVar

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
_NO_LIMITS = AccountLimits()
T = TypeVar("T")


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


class Onboarding:
    """Runs at every sign-in: what an earlier one left undone is done now. `test_credit_nano` 0 grants nothing."""

    def __init__(
        self,
        books: AccountBooks,
        reader: AccountReader,
        profiles: ProfileStore,
        clock: Clock,
        rng: Rng,
        test_credit_nano: int,
    ) -> None:
        self._books = books
        self._reader = reader
        self._profiles = profiles
        self._clock = clock
        self._retry = Retry(rng)
        self._test_credit_nano = test_credit_nano

    async def ensure(self, session: Session) -> Account:
        """The account's image, credit included. Raises LedgerUnavailable."""
        return await _available(self._ensure(session))

    async def remember(self, session: Session, name: str) -> None:
        """Raises LedgerUnavailable."""
        await _available(self._remember(session, name))

    async def _ensure(self, session: Session) -> Account:
        account = await self._opened(session)
        await self._remember(session, session.name)
        if await self._granted(account, session.email):
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

    async def _granted(self, account: Account, email: str) -> bool:
        """Whether the books changed. The fixed id makes the ledger refuse a second grant, whoever asks, whenever.

        One mailbox is granted one: its claim is written first and names the account, so that a crash in between heals.
        """
        account_id = account.account_id
        if not self._test_credit_nano or await self._known_credit(account_id):
            return False
        if not await self._retry(lambda: self._profiles.claim(mailbox_of(email), account_id), ATTEMPTS_MAX):
            return False
        now_ms = int(self._clock.now() * 1000)
        grant = CreditRow(account_id, TEST_CREDIT_ID, self._test_credit_nano, "grant", "Test credit", "system", now_ms)
        # Granted a moment ago by a process with another setting: that one stands.
        with contextlib.suppress(CreditRefused):
            await self._books.credit(grant)
        return True

    async def _known_credit(self, account_id: str) -> bool:
        return await self._retry(lambda: self._reader.credit_row(account_id, TEST_CREDIT_ID), ATTEMPTS_MAX) is not None

    async def _read(self, account_id: str) -> Account:
        account = await self._retry(lambda: self._reader.account(account_id), ATTEMPTS_MAX)
        if account is None:
            raise OutcomeUnknown("an account was there and is gone")
        return account


async def _available(work: Awaitable[T]) -> T:
    try:
        return await work
    except StoreError as exc:
        raise LedgerUnavailable("Your account cannot be opened right now, please try again.", retry_after_s=1) from exc
