"""An adjustment of an account's money by administrators: its states, its id, its amount."""

import re
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from multiconnection.domain import base62
from multiconnection.domain.money import MoneyError, usd_to_nano
from multiconnection.ledger.accounts import CreditRow

ID_PREFIX = "adj_"
# 22 characters hold 130 bits of the hash.
_ID_CHARS = 22
_AMOUNT = re.compile(r"[+-]?[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)
_ID = re.compile(rf"adj_[0-9A-Za-z]{{{_ID_CHARS}}}")


class AdjustmentStatus(StrEnum):
    """`approved` is decided and not yet booked; the last three are final."""

    AWAITING_SECOND = "awaiting_second"
    APPROVED = "approved"
    APPLIED = "applied"
    REJECTED = "rejected"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Adjustment:
    """`amount` is n$, below zero where money is taken. Ids are those of the identity provider."""

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
    def listed_as(self) -> str:
        """Sorts the adjustments of one status by time; also the cursor of their list."""
        return base62.encode(self.created_s, 6) + self.adjustment_id

    def credit_row(self, now_s: float) -> CreditRow:
        """The movement in the ledger, under this adjustment's own id: it happens once."""
        actor = self.decided_by or self.proposed_by
        return CreditRow(
            self.account_id, self.adjustment_id, self.amount, "adjustment", self.reason, actor, int(now_s * 1000)
        )


def adjustment_id_of(account_id: str, client_token: str) -> str:
    """The same request is the same adjustment, whoever repeats it."""
    digest = int.from_bytes(sha256(f"{account_id}\n{client_token}".encode()).digest())
    return ID_PREFIX + base62.encode(digest % 62**_ID_CHARS, _ID_CHARS)


def is_adjustment_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def is_place(text: str) -> bool:
    """Whether a cursor is one of the list of adjustments."""
    return base62.is_base62(text[:6]) and is_adjustment_id(text[6:])


def parse_adjustment(text: str) -> int:
    """n$ of "+5", "-2.50"; raises MoneyError for anything else, zero included."""
    if not _AMOUNT.fullmatch(text) or not (amount := usd_to_nano(text)):
        raise MoneyError('an adjustment is a decimal string other than zero, such as "12.50" or "-3"')
    return amount
