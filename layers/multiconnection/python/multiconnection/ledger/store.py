"""The ledger's port to its database: conditional writes of single items, and one transaction for credits.

Every method is one round trip without retries: only the ledger repeats a write.
"""

from collections.abc import AsyncIterator
from typing import Protocol

from multiconnection.retry import StoreError

from .models import Account, AccountLimits, CreditRow, Hold, UsageRow


class AccountRefused(StoreError):
    """A condition on the account item failed; `image` is the item at that moment, None if there is none."""

    def __init__(self, image: Account | None) -> None:
        super().__init__("a condition on the account item failed")
        self.image = image


class AlreadyDecided(StoreError):
    """Another writer was first; `row` is the decision that stands."""

    def __init__(self, row: UsageRow) -> None:
        super().__init__("the call is already decided")
        self.row = row


class AlreadyCredited(StoreError):
    """The credit id exists; `row` is what was booked under it."""

    def __init__(self, row: CreditRow) -> None:
        super().__init__("the credit id already exists")
        self.row = row


class CreditBarred(StoreError):
    """A condition of the credit's transaction failed that is not the ledger's own; the message names it."""


class Store(Protocol):
    """Implemented by `DynamoStore` over three drivers: in memory, asynchronous and botocore."""

    async def reserve(self, hold: Hold, *, key_epoch: int, in_flight_max: int, activity_bucket: int) -> Account:
        """R. Returns the image after the write; raises AccountRefused."""

    async def decide(self, row: UsageRow) -> None:
        """D. The first writer wins; raises AlreadyDecided."""

    async def apply(self, hold: Hold, cost: int, *, return_to_cap: bool) -> Account:
        """P. Removes exactly the hold of this birth and charges `cost`; raises AccountRefused."""

    async def create_account(self, account_id: str, name: str, created_s: int, limits: AccountLimits) -> Account:
        """Raises AccountRefused with the existing account."""

    async def account(self, account_id: str) -> Account | None:
        """Strongly consistent."""

    async def credit(self, row: CreditRow) -> None:
        """J and A in one transaction; raises AlreadyCredited or AccountRefused (no account, too little)."""

    async def credit_row(self, account_id: str, credit_id: str) -> CreditRow | None: ...

    async def usage_row(self, account_id: str, hold_id: str) -> UsageRow | None:
        """Strongly consistent."""

    def usage_rows(self, account_id: str) -> AsyncIterator[UsageRow]: ...

    def credit_rows(self, account_id: str) -> AsyncIterator[CreditRow]: ...

    def active_account_ids(self) -> AsyncIterator[str]:
        """Accounts that reserved since they were last found idle; a hint from the sparse index."""

    def all_account_ids(self) -> AsyncIterator[str]:
        """Every account, by a full scan."""

    async def forget_activity(self, account_id: str, activity_bucket: int) -> None:
        """Take an idle account out of the index; raises AccountRefused if it is active again."""

    async def set_status(self, account_id: str, status: str) -> Account:
        """Raises AccountRefused if the account does not exist."""


class FallbackQueue(Protocol):
    """Takes decisions when the usage table cannot be written."""

    def message(self, row: UsageRow) -> str:
        """The message of a row: ids and numbers, nothing of the request or the answer."""

    async def send(self, row: UsageRow) -> None:
        """Raises StoreError if the queue fails as well."""
