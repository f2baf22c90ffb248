"""A caller's own usage rows and balance."""

import asyncio
from dataclasses import dataclass

from multiconnection.domain.errors import ApiKeyInvalid, LedgerUnavailable, UsageNotFound
from multiconnection.domain.ids import hold_id_of
from multiconnection.ledger.accounts import Account, UsageRow
from multiconnection.ledger.store import Store, StoreError

# A stream closes after its last event is out, so a program can ask for the row a moment too early.
PENDING_POLLS_MAX = 20
PENDING_PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class UsageService:
    """Reads only; an id of another account is simply not there."""

    store: Store

    async def row(self, account_id: str, request_id: str) -> UsageRow:
        """Raises UsageNotFound; its details say whether the call is still running."""
        hold_id = hold_id_of(request_id)
        if hold_id is None:
            raise _not_found(request_id)
        try:
            return await self._decided(account_id, hold_id, request_id)
        except StoreError as exc:
            raise LedgerUnavailable("The usage table cannot be read at the moment.", retry_after_s=1) from exc

    async def account(self, account_id: str) -> Account:
        try:
            account = await self.store.account(account_id)
        except StoreError as exc:
            raise LedgerUnavailable("The balance cannot be read at the moment.", retry_after_s=1) from exc
        if account is None:
            raise ApiKeyInvalid("The account of this API key does not exist.")
        return account

    async def _decided(self, account_id: str, hold_id: str, request_id: str) -> UsageRow:
        for poll in range(PENDING_POLLS_MAX):
            if poll:
                await asyncio.sleep(PENDING_PAUSE_S)
            row = await self.store.usage_row(account_id, hold_id)
            if row is not None:
                return row
            account = await self.store.account(account_id)
            if account is None or hold_id not in account.holds:
                break
        else:
            raise UsageNotFound(
                f"The call {request_id} is still running; its usage row is written when it ends.",
                details={"pending": True},
                retry_after_s=1,
                retryable=True,
            )
        row = await self.store.usage_row(account_id, hold_id)
        if row is None:
            raise _not_found(request_id)
        return row


def _not_found(request_id: str) -> UsageNotFound:
    return UsageNotFound(f"There is no usage row for {request_id[:64]!r}.", param="request_id")
