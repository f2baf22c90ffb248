"""Balances and their movements, and adjustments: their states, ids and amounts."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from multiconnection import ids
from multiconnection.ledger.models import Account, CreditRow
from multiconnection.money import MoneyError, usd_to_nano

ADJUSTMENT_PREFIX = "adj_"
# 22 characters hold 130 bits of the hash.
_ID_CHARS = 22
_ID = re.compile(rf"{ADJUSTMENT_PREFIX}[0-9A-Za-z]{{{_ID_CHARS}}}")
_CREATED_CHARS = 6
_AMOUNT = re.compile(r"[+-]?[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Balance:
    """Amounts in n$; `credits_in` is `available` + `in_flight` + `charged`."""

    available: int = 0
    in_flight: int = 0
    credits_in: int = 0
    charged: int = 0


@dataclass(frozen=True, slots=True)
class CreditPage:
    """`after` continues the list; None at its end."""

    rows: Sequence[CreditRow]
    after: str | None


class AdjustmentStatus(StrEnum):
    """`approved` is decided and not yet applied; the last three are final."""

    AWAITING_SECOND = "awaiting_second"
    APPROVED = "approved"
    APPLIED = "applied"
    REJECTED = "rejected"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Adjustment:
    """`amount` is n$, below zero where money is taken. Ids of people are those of the identity provider."""

    adjustment_id: str
    account_id: str
    amount: int
    reason: str
    status: AdjustmentStatus
    proposed_by: str
    proposer_id: str
    created_s: int
    decided_by: str = ""
    decider_id: str = ""
    decided_s: int | None = None
    note: str = ""

    @property
    def place(self) -> str:
        """Sorts the adjustments of one status by time; also the cursor of their list."""
        return ids.encode(self.created_s, _CREATED_CHARS) + self.adjustment_id

    def credit_row(self, now_s: float) -> CreditRow:
        """The movement in the ledger, under this adjustment's own id, so that it happens once."""
        actor = self.decided_by or self.proposed_by
        return CreditRow(
            self.account_id, self.adjustment_id, self.amount, "adjustment", self.reason, actor, int(now_s * 1000)
        )


@dataclass(frozen=True, slots=True)
class AdjustmentPage:
    """`after` continues the list; None at its end."""

    adjustments: tuple[Adjustment, ...]
    after: str | None


class AdjustmentTaken(Exception):
    """The id exists; `adjustment` is the one stored under it."""

    def __init__(self, adjustment: Adjustment) -> None:
        super().__init__("the adjustment exists")
        self.adjustment = adjustment


class AdjustmentMoved(Exception):
    """The adjustment is not in the state that the step begins with.

    `adjustment` is the one stored at that moment, None when there is none.
    """

    def __init__(self, adjustment: Adjustment | None) -> None:
        super().__init__("the adjustment is in another state")
        self.adjustment = adjustment


class TooLittleAvailable(Exception):
    """The adjustment would take more than is available; nothing was moved. `image` is None when there is no account."""

    def __init__(self, image: Account | None) -> None:
        super().__init__("less is available than would be taken")
        self.image = image


def adjustment_id_of(account_id: str, client_token: str) -> str:
    """The same for every repetition of a request, by any administrator."""
    digest = int.from_bytes(sha256(f"{account_id}\n{client_token}".encode()).digest())
    return ADJUSTMENT_PREFIX + ids.encode(digest % 62**_ID_CHARS, _ID_CHARS)


def is_adjustment_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def is_place(text: str) -> bool:
    """True for a cursor of the list of adjustments."""
    return ids.is_base62(text[:_CREATED_CHARS]) and is_adjustment_id(text[_CREATED_CHARS:])


def id_in(place: str) -> str:
    """The adjustment's id in its place."""
    return place[_CREATED_CHARS:]


def parse_adjustment(text: str) -> int:
    """n$ of "+5", "-2.50"; raises MoneyError for anything else, zero included."""
    if not _AMOUNT.fullmatch(text) or not (amount := usd_to_nano(text)):
        raise MoneyError('an adjustment is a decimal string other than zero, such as "12.50" or "-3"')
    return amount
