"""Accounts as administrators see them: found by id or e-mail address, suspended and resumed with a reason."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from multiconnection.audit.log import AuditEntries, AuditEntry
from multiconnection.credits.balance import ConsoleMoney
from multiconnection.errors import (
    AccountNotFound,
    AccountStatusConflict,
    RequestInvalid,
    SelfApprovalForbidden,
    TestCreditNotAwaited,
)
from multiconnection.identity.models import PeoplePage, Session, account_id_of
from multiconnection.keys.models import ApiKey
from multiconnection.ledger.models import ACTIVE, FROZEN, SUSPENDED, Account, CreditRow
from multiconnection.money import nano_to_usd
from multiconnection.orders.models import Order, OrderPage
from multiconnection.ports import Clock
from multiconnection.retry import Reliable

from .service import CreditTerms, Withheld, granted_row

LAST_ORDERS, LAST_CREDITS = 10, 25
ACCOUNT_ID_CHARS_MAX = 128
# Where each status can be entered from. A frozen account is resumed by whoever has looked at its books.
SOURCES = {SUSPENDED: (ACTIVE,), ACTIVE: (SUSPENDED, FROZEN)}
_SEARCH, _LIST = "p.", "a."


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """An account's image with its owner's e-mail address, empty where none has signed in.

    `withheld` is why it has no test credit.
    """

    image: Account
    email: str
    withheld: Withheld | None = None


@dataclass(frozen=True, slots=True)
class AccountPage:
    records: Sequence[AccountRecord]
    after: str | None


@dataclass(frozen=True, slots=True)
class AccountDossier:
    record: AccountRecord
    keys: Sequence[ApiKey]
    orders: Sequence[Order]
    credits: Sequence[CreditRow]


class StatusRefused(Exception):
    """The account's status is another one; `image` is the account at that moment, None when there is none."""

    def __init__(self, image: Account | None) -> None:
        super().__init__("the account's status is another one")
        self.image = image


class GrantRefused(Exception):
    """Nothing moved: the account has its test credit, or waits for none."""

    def __init__(self, *, is_granted: bool) -> None:
        super().__init__("the account waits for no test credit")
        self.is_granted = is_granted


class AccountStore(Protocol):
    """Each method raises StoreError as well."""

    async def record(self, account_id: str) -> AccountRecord | None:
        """Strongly consistent."""

    async def page(self, limit: int, after: str | None, *, awaiting: bool = False) -> AccountPage:
        """In no order that means anything; with `awaiting` those alone that wait for a test credit."""

    async def grant(self, row: CreditRow, entry: AuditEntry) -> None:
        """The test credit of an account that waits for it: row, balance and entry at once.

        May be repeated with the entry. Raises GrantRefused.
        """

    async def set_status(self, account_id: str, from_: str, to: str, entry: AuditEntry) -> None:
        """Together with the entry; may be repeated with it. Raises StatusRefused."""


class People(Protocol):
    async def search(self, prefix: str, limit: int, after: str | None) -> PeoplePage:
        """Whose e-mail address begins so. Raises IdentityUnavailable or IdentityRefused (a cursor that is none)."""


class NobodyListed:
    """For tools that know account ids: implements `People`."""

    async def search(self, prefix: str, limit: int, after: str | None) -> PeoplePage:
        return PeoplePage((), None)


class KeyLister(Protocol):
    async def list(self, account_id: str) -> Sequence[ApiKey]: ...


class OrderLister(Protocol):
    async def of_account(self, account_id: str, limit: int, after: str | None = None) -> OrderPage: ...


@dataclass(frozen=True, slots=True)
class AdminAccounts:
    store: AccountStore
    people: People
    keys: KeyLister
    orders: OrderLister
    money: ConsoleMoney
    entries: AuditEntries
    reliable: Reliable
    terms: CreditTerms
    clock: Clock

    async def search(self, query: str, limit: int, cursor: str | None, *, awaiting: bool = False) -> AccountPage:
        """An account id, or the beginning of an e-mail address; without a query all, or all that are `awaiting`."""
        if not query:
            page = await self.reliable(lambda: self.store.page(limit, _place(cursor, _LIST), awaiting=awaiting))
            return AccountPage(page.records, page.after and _LIST + page.after)
        exact = None if cursor else await self._record(query)
        if exact is not None:
            return AccountPage((exact,), None)
        # Addresses are kept in lower case; what is no address begins none.
        people = await self.people.search(query.lower(), limit, _place(cursor, _SEARCH))
        found = await asyncio.gather(*(self._record(account_id_of(user_id)) for user_id in people.user_ids))
        # Somebody who has signed up and never signed in has no account yet.
        return AccountPage([record for record in found if record], people.after and _SEARCH + people.after)

    async def get(self, account_id: str) -> AccountRecord:
        """Raises AccountNotFound or LedgerUnavailable."""
        record = await self._record(account_id)
        if record is None:
            raise AccountNotFound(f"There is no account {account_id[:64]!r}.", param="account_id")
        return record

    async def dossier(self, account_id: str) -> AccountDossier:
        """Raises AccountNotFound or LedgerUnavailable."""
        record = await self.get(account_id)
        keys, orders, movements = await asyncio.gather(
            self.reliable(lambda: self.keys.list(account_id)),
            self.reliable(lambda: self.orders.of_account(account_id, LAST_ORDERS)),
            self.money.credits(account_id, None, LAST_CREDITS),
        )
        return AccountDossier(record, keys, orders.orders, movements.rows)

    async def suspend(self, admin: Session, account_id: str, why: str) -> AccountRecord:
        """The next reserve is refused; calls that run are settled. Raises AccountNotFound or AccountStatusConflict."""
        return await self._set_status(admin, account_id, SUSPENDED, "account.suspend", why)

    async def resume(self, admin: Session, account_id: str, why: str) -> AccountRecord:
        """Raises AccountNotFound or AccountStatusConflict."""
        return await self._set_status(admin, account_id, ACTIVE, "account.resume", why)

    async def grant_test_credit(self, admin: Session, account_id: str, why: str) -> AccountRecord:
        """Once, whoever asks and however often; what is granted already is neither granted nor logged again.

        Raises AccountNotFound, SelfApprovalForbidden, TestCreditNotAwaited or LedgerUnavailable.
        """
        if account_id == admin.account_id:
            raise SelfApprovalForbidden("Another administrator has to grant your own test credit.")
        await self.get(account_id)
        if not self.terms.is_offered:
            raise TestCreditNotAwaited("This deployment offers no test credit.")
        row = granted_row(account_id, self.terms.nano, admin.email, self.clock.now())
        after = {"amount": nano_to_usd(row.amount)}
        entry = self.entries.of(admin.email, "account.test_credit", account_id, {}, after, why)
        try:
            await self.reliable(lambda: self.store.grant(row, entry))
        except GrantRefused as exc:
            if not exc.is_granted:
                raise TestCreditNotAwaited("The account waits for no test credit.") from exc
        return await self.get(account_id)

    async def _set_status(self, admin: Session, account_id: str, to: str, action: str, why: str) -> AccountRecord:
        """What is so already is not changed and not logged again."""
        record = await self.get(account_id)
        from_ = record.image.status
        if from_ == to:
            return record
        if from_ not in SOURCES[to]:
            raise _conflict(from_)
        entry = self.entries.of(admin.email, action, account_id, {"status": from_}, {"status": to}, why)
        try:
            await self.reliable(lambda: self.store.set_status(account_id, from_, to, entry))
        except StatusRefused as exc:
            if exc.image is None or exc.image.status != to:
                raise _conflict(exc.image.status if exc.image else "gone") from exc
        return await self.get(account_id)

    async def _record(self, account_id: str) -> AccountRecord | None:
        if not account_id or len(account_id) > ACCOUNT_ID_CHARS_MAX:
            return None
        return await self.reliable(lambda: self.store.record(account_id))


def _conflict(status: str) -> AccountStatusConflict:
    return AccountStatusConflict(f"The account is {status}.", details={"status": status})


def _place(cursor: str | None, prefix: str) -> str | None:
    if cursor is None:
        return None
    if not cursor.startswith(prefix) or cursor == prefix:
        raise RequestInvalid("'cursor' is not a place in this list.", param="cursor")
    return cursor.removeprefix(prefix)
