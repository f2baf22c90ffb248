"""What the ledger needs of a database: single-item conditional writes, and one transaction for money-in.

Every method is one round trip and is never retried below this line: a repeated write is the ledger's decision.
"""

from collections.abc import AsyncIterator
from typing import Protocol

from multiconnection.retry import StoreError

from .models import Account, AccountLimits, CreditRow, Hold, UsageRow


class AccountRefused(StoreError):
    """A condition on the account item failed; `image` is the item at that moment, None when there is none."""

    def __init__(self, image: Account | None) -> None:
        super().__init__("a condition on the account item failed")
        self.image = image


class AlreadyDecided(StoreError):
    """Another writer was first; `row` is the winner's."""

    def __init__(self, row: UsageRow) -> None:
        super().__init__("the call is already decided")
        self.row = row


class AlreadyCredited(StoreError):
    """The credit id exists; `row` is what it did."""

    def __init__(self, row: CreditRow) -> None:
        super().__init__("the credit id already exists")
        self.row = row


class CreditBarred(StoreError):
    """A condition of the credit's transaction failed that is not the ledger's own; the message names it."""


class Store(Protocol):
    """Implemented once over three drivers: in memory, asynchronous, boto3 (see storage/)."""

    async def reserve(self, hold: Hold, *, key_epoch: int, in_flight_max: int, activity_bucket: int) -> Account:
        """R. Returns the image after the write; raises AccountRefused."""

    async def decide(self, row: UsageRow) -> None:
        """D. First writer wins; raises AlreadyDecided."""

    async def apply(self, hold: Hold, cost: int, *, return_to_cap: bool) -> Account:
        """P. Removes exactly the hold of this birth and charges `cost`; raises AccountRefused."""

    async def create_account(self, account_id: str, name: str, created_s: int, limits: AccountLimits) -> Account:
        """Raises AccountRefused with the existing image."""

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
        """A hint from the sparse index: accounts that reserved since they were last found idle."""

    def all_account_ids(self) -> AsyncIterator[str]:
        """The full scan, for the daily net."""

    async def forget_activity(self, account_id: str, activity_bucket: int) -> None:
        """Take an idle account out of the index; raises AccountRefused when it is active again."""

    async def set_status(self, account_id: str, status: str) -> Account:
        """Raises AccountRefused when there is no such account."""


class FallbackQueue(Protocol):
    """Where a decision goes when the usage table cannot be written."""

    def message(self, row: UsageRow) -> str:
        """What is sent for a row: it holds ids and numbers, nothing of what the caller asked or was answered."""

    async def send(self, row: UsageRow) -> None:
        """Raises StoreError when the queue fails as well."""
