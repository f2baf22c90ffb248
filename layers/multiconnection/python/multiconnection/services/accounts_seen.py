"""The limits of the accounts whose image came by; one read for an account that this process has not seen yet."""

from typing import Protocol

from multiconnection.ledger.accounts import Account, AccountLimits
from multiconnection.ledger.store import StoreError

from .bounded import Bounded

ACCOUNTS_MAX = 10_000
_DEFAULTS = AccountLimits()


class AccountReader(Protocol):
    async def account(self, account_id: str) -> Account | None:
        """Raises StoreError."""


class AccountsSeen:
    """Shared by limiter and reserver; every account image of a process is shown here."""

    def __init__(self, reader: AccountReader) -> None:
        self._reader = reader
        self._limits: Bounded[str, AccountLimits] = Bounded(ACCOUNTS_MAX)

    def note(self, image: Account) -> None:
        self._limits.put(image.account_id, image.limits)

    def limits(self, account_id: str) -> AccountLimits:
        """As far as this process knows; the deployment's defaults otherwise."""
        return self._limits.get(account_id) or _DEFAULTS

    async def meet(self, account_id: str) -> None:
        """Make sure that the account's own limits are known; a database that is down leaves the defaults."""
        if self._limits.get(account_id) is not None:
            return
        try:
            image = await self._reader.account(account_id)
        except StoreError:
            return
        if image is not None:
            self.note(image)
