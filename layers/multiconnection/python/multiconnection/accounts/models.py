"""Accounts as their owners and administrators see them, and the terms on which a new one has a test credit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from multiconnection.config import CreditMode
from multiconnection.keys.models import ApiKey
from multiconnection.ledger.models import Account, AccountLimits, CreditRow
from multiconnection.orders.models import Order

TEST_CREDIT_ID = "test-credit"
# Why an account has no test credit. The first two can be granted by an administrator.
Withheld = Literal["awaiting_approval", "network_limit", "mailbox_used"]
AWAITED: tuple[Withheld, ...] = ("awaiting_approval", "network_limit")


@dataclass(frozen=True, slots=True)
class CreditTerms:
    """The test credit of a new account in n$, how it is granted, and how many a network gets in a day (UTC)."""

    nano: int
    mode: CreditMode = "automatic"
    per_network: int = 5

    @property
    def is_offered(self) -> bool:
        return self.nano > 0 and self.mode != "off"


def granted_row(account_id: str, nano: int, actor: str, now_s: float) -> CreditRow:
    """The test credit under its fixed id: the ledger accepts it once."""
    return CreditRow(account_id, TEST_CREDIT_ID, nano, "grant", "Test credit", actor, int(now_s * 1000))


@dataclass(frozen=True, slots=True)
class Overview:
    """An account as its owner sees it.

    `limits` are those in force: the account's own, or the deployment's. `withheld` is why there is no test credit.
    """

    account: Account
    limits: AccountLimits
    has_key: bool
    has_call: bool
    withheld: Withheld | None


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
    """`after` continues the list; None at its end."""

    records: Sequence[AccountRecord]
    after: str | None


@dataclass(frozen=True, slots=True)
class AccountDossier:
    """An account with its keys and its latest orders and credits, for an administrator to judge."""

    record: AccountRecord
    keys: Sequence[ApiKey]
    orders: Sequence[Order]
    credits: Sequence[CreditRow]


class StatusRefused(Exception):
    """The account has another status; `image` is the account at that moment, None when there is none."""

    def __init__(self, image: Account | None) -> None:
        super().__init__("the account's status is another one")
        self.image = image


class GrantRefused(Exception):
    """The account already has its test credit, or does not await one; nothing was changed."""

    def __init__(self, *, is_granted: bool) -> None:
        super().__init__("the account awaits no test credit")
        self.is_granted = is_granted
