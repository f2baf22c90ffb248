"""Recharge orders: their states, the only transitions there are, and what the server freezes when one is made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from . import base62
from .ids import random_text
from .ports import Rng

ID_PREFIX = "ord_"
# 6 of time in seconds and 10 random: 59 bits, and one account's orders sort by time.
_RANDOM_CHARS = 10
ID_CHARS = len(ID_PREFIX) + 6 + _RANDOM_CHARS
# Read out on the telephone and typed into a bank's form: nothing that looks like something else.
REFERENCE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
REFERENCE_PREFIX = "MC-"
_REFERENCE_CHARS = 6
METHODS = ("bank_transfer", "enterprise_contract")


class OrderStatus(StrEnum):
    """`approved` is decided and not yet paid in; the last four are final."""

    SUBMITTED = "submitted"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    CREDITED = "credited"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


OPEN = (OrderStatus.SUBMITTED, OrderStatus.IN_REVIEW)
FINAL = (OrderStatus.CREDITED, OrderStatus.REJECTED, OrderStatus.EXPIRED, OrderStatus.CANCELLED)
# Where each state can be entered from; every write of a status has this as its condition.
SOURCES: Mapping[OrderStatus, tuple[OrderStatus, ...]] = {
    OrderStatus.SUBMITTED: (),
    OrderStatus.IN_REVIEW: (OrderStatus.SUBMITTED,),
    OrderStatus.APPROVED: (OrderStatus.IN_REVIEW,),
    OrderStatus.CREDITED: (OrderStatus.APPROVED,),
    OrderStatus.REJECTED: (OrderStatus.IN_REVIEW,),
    OrderStatus.EXPIRED: OPEN,
    OrderStatus.CANCELLED: OPEN,
}
# In the order in which an order can pass through them.
_TIMELINE = (*OPEN, OrderStatus.APPROVED, *FINAL)


@dataclass(frozen=True, slots=True)
class Receipt:
    """A proof of payment that has arrived."""

    content_type: str
    size: int
    uploaded_s: int


@dataclass(frozen=True, slots=True)
class Order:
    """`cents` are hundredths of the currency's unit, `rate` is n$ per unit, `credit` is n$: frozen at creation.

    `token` wakes the workflow: whoever has it can end the wait, so it never leaves the server. `run` numbers the
    workflow's executions. `approved_credit` is what the administrator saw and confirmed.
    """

    order_id: str
    reference: str
    account_id: str
    email: str
    cents: int
    currency: str
    rate: int
    credit: int
    method: str
    status: OrderStatus
    note: str
    created_s: int
    expires_s: int
    times: Mapping[OrderStatus, int]
    receipt: Receipt | None = None
    reason: str = ""
    decided_by: str = ""
    decider_id: str = ""
    approved_credit: int | None = None
    announced_s: int | None = None
    notified_s: int | None = None
    run: int = 0
    token: str | None = field(default=None, repr=False)

    @property
    def timeline(self) -> list[tuple[OrderStatus, int]]:
        """The states passed through, oldest first."""
        return [(status, self.times[status]) for status in _TIMELINE if status in self.times]

    @property
    def changed_s(self) -> int:
        """When the present state was entered."""
        return self.times.get(self.status, self.created_s)

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    @property
    def is_as_approved(self) -> bool:
        """False: amount, rate or credit are not what was frozen and confirmed. Somebody wrote past this code."""
        return self.credit == self.approved_credit == credit_of(self.cents, self.rate)


def credit_of(cents: int, rate: int) -> int:
    """n$ for that many hundredths of a unit at `rate` n$ per unit; rounded down, to the nano-dollar."""
    return cents * rate // 100


def new_order_id(now_s: int, rng: Rng) -> str:
    return ID_PREFIX + base62.encode(now_s, 6) + random_text(rng, _RANDOM_CHARS)


def first_order_id(since_s: int) -> str:
    """Not above any order id made since then, above all that were made before."""
    return ID_PREFIX + base62.encode(max(0, since_s), 6)


def is_order_id(text: str) -> bool:
    return len(text) == ID_CHARS and text.startswith(ID_PREFIX) and base62.is_base62(text[len(ID_PREFIX) :])


def new_reference(rng: Rng) -> str:
    """Such as MC-7K3Q9D: for people; uniqueness is the table's to give."""
    return REFERENCE_PREFIX + "".join(
        REFERENCE_ALPHABET[rng.below(len(REFERENCE_ALPHABET))] for _ in range(_REFERENCE_CHARS)
    )
