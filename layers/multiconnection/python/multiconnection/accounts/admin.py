"""Accounts as administrators see them: found by id or e-mail address, suspended and resumed with a reason."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from multiconnection.audit.log import AuditEntries
from multiconnection.credits.service import ACCOUNT_ID_CHARS_MAX, BalanceService, account_not_found
from multiconnection.errors import (
    AccountStatusConflict,
    RequestInvalid,
    SelfApprovalForbidden,
    TestCreditNotAwaited,
)
from multiconnection.identity.models import PeoplePage, Session, account_id_of
from multiconnection.keys.service import KeyService
from multiconnection.ledger.models import ACTIVE, FROZEN, SUSPENDED
from multiconnection.money import nano_to_usd
from multiconnection.orders.store import OrdersTable
from multiconnection.ports import Clock
from multiconnection.retry import Reliable

from .models import AccountDossier, AccountPage, AccountRecord, CreditTerms, GrantRefused, StatusRefused, granted_row
from .store import AdminAccountsTable

LAST_ORDERS, LAST_CREDITS = 10, 25
# The statuses that each one can be entered from. A frozen account is resumed once its ledger has been examined.
SOURCES = {SUSPENDED: (ACTIVE,), ACTIVE: (SUSPENDED, FROZEN)}
_SEARCH, _LIST = "p.", "a."


class People(Protocol):
    """The users of the identity provider."""

    async def search(self, prefix: str, limit: int, after: str | None) -> PeoplePage:
        """Users whose e-mail address starts with `prefix`.

        Raises IdentityUnavailable, or IdentityRefused for a cursor that is not the provider's.
        """


@dataclass(frozen=True, slots=True)
class AdminAccounts:
    """No account is found by e-mail address without `people`, as in command-line tools."""

    table: AdminAccountsTable
    people: People | None
    keys: KeyService
    orders: OrdersTable
    balances: BalanceService
    entries: AuditEntries
    reliable: Reliable
    terms: CreditTerms
    clock: Clock

    async def search(self, query: str, limit: int, cursor: str | None, *, awaiting: bool = False) -> AccountPage:
        """Accounts by id or by the beginning of an e-mail address; without a query all, or all that are `awaiting`."""
        if not query:
            page = await self.reliable(lambda: self.table.page(limit, _place(cursor, _LIST), awaiting=awaiting))
            return AccountPage(page.records, page.after and _LIST + page.after)
        exact = None if cursor else await self._record(query)
        if exact is not None:
            return AccountPage((exact,), None)
        if self.people is None:
            return AccountPage((), None)
        # Addresses are stored in lower case.
        people = await self.people.search(query.lower(), limit, _place(cursor, _SEARCH))
        found = await asyncio.gather(*(self._record(account_id_of(user_id)) for user_id in people.user_ids))
        # A user who has signed up and never signed in has no account yet.
        return AccountPage([record for record in found if record], people.after and _SEARCH + people.after)

    async def get(self, account_id: str) -> AccountRecord:
        """Raises AccountNotFound or LedgerUnavailable."""
        record = await self._record(account_id)
        if record is None:
            raise account_not_found(account_id)
        return record

    async def dossier(self, account_id: str) -> AccountDossier:
        """Raises AccountNotFound or LedgerUnavailable."""
        record = await self.get(account_id)
        keys, orders, movements = await asyncio.gather(
            self.reliable(lambda: self.keys.list(account_id)),
            self.reliable(lambda: self.orders.of_account(account_id, LAST_ORDERS)),
            self.balances.credits(account_id, None, LAST_CREDITS),
        )
        return AccountDossier(record, keys, orders.orders, movements.rows)

    async def suspend(self, admin: Session, account_id: str, why: str) -> AccountRecord:
        """Refuse the account's next reserve; calls in flight are settled.

        Raises AccountNotFound or AccountStatusConflict.
        """
        return await self._set_status(admin, account_id, SUSPENDED, "account.suspend", why)

    async def resume(self, admin: Session, account_id: str, why: str) -> AccountRecord:
        """Raises AccountNotFound or AccountStatusConflict."""
        return await self._set_status(admin, account_id, ACTIVE, "account.resume", why)

    async def grant_test_credit(self, admin: Session, account_id: str, why: str) -> AccountRecord:
        """Grant it once; a repeated request neither grants nor logs it again.

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
            await self.reliable(lambda: self.table.grant(row, entry))
        except GrantRefused as exc:
            if not exc.is_granted:
                raise TestCreditNotAwaited("The account waits for no test credit.") from exc
        return await self.get(account_id)

    async def _set_status(self, admin: Session, account_id: str, to: str, action: str, why: str) -> AccountRecord:
        """A status that the account already has is not set and not logged again."""
        record = await self.get(account_id)
        from_ = record.image.status
        if from_ == to:
            return record
        if from_ not in SOURCES[to]:
            raise _conflict(from_)
        entry = self.entries.of(admin.email, action, account_id, {"status": from_}, {"status": to}, why)
        try:
            await self.reliable(lambda: self.table.set_status(account_id, from_, to, entry))
        except StatusRefused as exc:
            if exc.image is None or exc.image.status != to:
                raise _conflict(exc.image.status if exc.image else "gone") from exc
        return await self.get(account_id)

    async def _record(self, account_id: str) -> AccountRecord | None:
        if not account_id or len(account_id) > ACCOUNT_ID_CHARS_MAX:
            return None
        return await self.reliable(lambda: self.table.record(account_id))


def _conflict(status: str) -> AccountStatusConflict:
    return AccountStatusConflict(f"The account is {status}.", details={"status": status})


def _place(cursor: str | None, prefix: str) -> str | None:
    """The cursor of the list or search that `prefix` names. Raises RequestInvalid for any other text."""
    if cursor is None:
        return None
    if not cursor.startswith(prefix) or cursor == prefix:
        raise RequestInvalid("'cursor' is not a place in this list.", param="cursor")
    return cursor.removeprefix(prefix)
