"""The limits of the accounts that this process has seen."""

import asyncio
from collections.abc import Awaitable, Callable

from cachetools import LRUCache

from multiconnection.ledger.models import Account, AccountLimits
from multiconnection.retry import StoreError

ACCOUNTS_MAX = 10_000
_DEFAULTS = AccountLimits()


class KnownAccounts:
    """Remembers the limits in every account image that the process reads; shared by the limiter and the reserver.

    `read_account` reads an account strongly consistently and raises StoreError.
    """

    def __init__(self, read_account: Callable[[str], Awaitable[Account | None]]) -> None:
        self._read_account = read_account
        self._limits: LRUCache[str, AccountLimits] = LRUCache(ACCOUNTS_MAX)
        self._reading: dict[str, asyncio.Task[Account | None]] = {}
        self._waiting: dict[str, asyncio.Task[Account | None]] = {}

    def note(self, image: Account) -> None:
        self._limits[image.account_id] = image.limits

    def limits(self, account_id: str) -> AccountLimits:
        """The account's own limits, or the deployment's while they are unknown."""
        return self._limits.get(account_id) or _DEFAULTS

    async def ensure_known(self, account_id: str) -> None:
        """Read the account unless its limits are known; during an outage the deployment's limits apply."""
        if self._limits.get(account_id) is not None:
            return
        try:
            image = await self._read_account(account_id)
        except StoreError:
            return
        if image is not None:
            self.note(image)

    async def read(self, account_id: str) -> Account | None:
        """The account as it is after this call began. Raises StoreError.

        Concurrent callers share reads: at most one read of an account is in flight and one more waits for it to end.
        A caller that arrives during the first read joins the second, because the first may have been executed before
        the call began.
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
            image = await self._read_account(account_id)
        finally:
            if self._reading.get(account_id) is task:
                del self._reading[account_id]
        if image is not None:
            self.note(image)
        return image
