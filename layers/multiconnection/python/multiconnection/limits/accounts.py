"""What this process knows of accounts: limits from every image that came by, and fresh images on demand."""

import asyncio
from typing import Protocol

from multiconnection.bounded import Bounded
from multiconnection.ledger.models import Account, AccountLimits
from multiconnection.retry import StoreError

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
        self._reading: dict[str, asyncio.Task[Account | None]] = {}
        self._waiting: dict[str, asyncio.Task[Account | None]] = {}

    def note(self, image: Account) -> None:
        self._limits.put(image.account_id, image.limits)

    def limits(self, account_id: str) -> AccountLimits:
        """As far as this process knows; the deployment's defaults otherwise."""
        return self._limits.get(account_id) or _DEFAULTS

    async def read(self, account_id: str) -> Account | None:
        """The account as it is after this call began. Raises StoreError.

        However many ask at once, one read of an account is under way and one more waits for it to end: whoever comes
        while the first is under way shares the second, since the first may have been executed before he came.
        """
        task = self._waiting.get(account_id)
        if task is None:
            task = asyncio.create_task(self._read(account_id, self._reading.get(account_id)))
            self._waiting[account_id] = task
        return await asyncio.shield(task)

    async def _read(self, account_id: str, before: asyncio.Task[Account | None] | None) -> Account | None:
        if before is not None:
            await asyncio.wait({before})
        task = self._reading[account_id] = self._waiting.pop(account_id)
        try:
            image = await self._reader.account(account_id)
        finally:
            if self._reading.get(account_id) is task:
                del self._reading[account_id]
        if image is not None:
            self.note(image)
        return image

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
