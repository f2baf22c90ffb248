"""Accounts, keys and books of one test, on the tables that the running function uses."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from multiconnection.bootstrap.workers import Workers
from multiconnection.ledger.models import Account, AccountLimits, CreditRow, UsageRow, breaches
from multiconnection.money import usd_to_nano

CREDIT_USD = "10"

NewCustomer = Callable[..., Awaitable["Customer"]]


@dataclass(frozen=True, slots=True)
class Customer:
    """One account with one key."""

    account_id: str
    api_key: str
    workers: Workers

    async def image(self) -> Account:
        found = await self.workers.ledger.store.account(self.account_id)
        assert found is not None
        return found

    async def usage_rows(self) -> list[UsageRow]:
        return [row async for row in self.workers.ledger.store.usage_rows(self.account_id)]

    async def settled_row(self) -> UsageRow:
        """The only usage row of an account whose one call is over: no hold, and charged what the row says."""
        [row], image = await self.usage_rows(), await self.image()
        assert not image.holds
        assert (image.live_holds, image.held, image.charged) == (0, 0, row.cost)
        assert not breaches(image)
        return row


async def new_customer(workers: Workers, credit_usd: str = CREDIT_USD, **key_options: Any) -> Customer:
    """`key_options` as of KeyService.issue."""
    account_id = f"acct_{uuid4().hex[:16]}"
    await workers.ledger.create_account(account_id, "Adapter test", AccountLimits())
    now_ms = int(workers.clock.now() * 1000)
    if credit_usd != "0":
        row = CreditRow(account_id, "opening", usd_to_nano(credit_usd), "grant", "Test credit", "test", now_ms)
        await workers.ledger.credit(row)
    _, secret = await workers.keys.issue(account_id, "adapter", **key_options)
    return Customer(account_id, secret, workers)
