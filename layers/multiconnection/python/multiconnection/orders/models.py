"""Recharge orders: states and transitions, amounts and terms, and the ports for the workflow and for notices."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from multiconnection import ids
from multiconnection.config import LEGAL_ENTITY, BankDetail
from multiconnection.ids import random_text
from multiconnection.ledger.store import CreditBarred
from multiconnection.money import NANO_PER_USD, MoneyError, nano_to_usd
from multiconnection.ports import Rng

ID_PREFIX = "ord_"
# 6 characters of time in seconds and 10 random ones: 59 bits, and an account's orders sort by time.
_RANDOM_CHARS = 10
ID_CHARS = len(ID_PREFIX) + 6 + _RANDOM_CHARS
# References are read out on the telephone and typed into a bank's form: no two characters look alike.
REFERENCE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
REFERENCE_PREFIX = "MC-"
_REFERENCE_CHARS = 6
METHODS = ("bank_transfer", "enterprise_contract")
_AMOUNT = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,2}))?", re.ASCII)


class OrderStatus(StrEnum):
    """`approved` is decided and not yet credited; the last four are final."""

    SUBMITTED = "submitted"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    CREDITED = "credited"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


OPEN = (OrderStatus.SUBMITTED, OrderStatus.IN_REVIEW)
FINAL = (OrderStatus.CREDITED, OrderStatus.REJECTED, OrderStatus.EXPIRED, OrderStatus.CANCELLED)
# The states that each one can be entered from: the condition of every write of a status.
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
    """A proof of payment that the user has uploaded."""

    content_type: str
    size: int
    uploaded_s: int


@dataclass(frozen=True, slots=True)
class Order:
    """`cents` are hundredths of the currency's unit, `rate` is n$ per unit, `credit` is n$: frozen at creation.

    `token` wakes the workflow. It never leaves the server, because it is all that is needed to end the wait. `run`
    numbers the workflow's executions. `approved_credit` is the credit that the administrator saw and confirmed.
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
        """The time at which the present state was entered."""
        return self.times.get(self.status, self.created_s)

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    @property
    def is_as_approved(self) -> bool:
        """False when amount, rate or credit differ from what was frozen and confirmed: the row was tampered with."""
        return self.credit == self.approved_credit == credit_of(self.cents, self.rate)


def credit_of(cents: int, rate: int) -> int:
    """n$ for that many hundredths of a unit at `rate` n$ per unit; rounded down, to the nano-dollar."""
    return cents * rate // 100


def new_order_id(now_s: int, rng: Rng) -> str:
    return ID_PREFIX + ids.encode(now_s, 6) + random_text(rng, _RANDOM_CHARS)


def first_order_id(since_s: int) -> str:
    """A lower bound of the order ids made since then, above all that were made before."""
    return ID_PREFIX + ids.encode(max(0, since_s), 6)


def is_order_id(text: str) -> bool:
    return len(text) == ID_CHARS and text.startswith(ID_PREFIX) and ids.is_base62(text[len(ID_PREFIX) :])


def new_reference(rng: Rng) -> str:
    """A reference for people, such as MC-7K3Q9D; the table keeps it unique."""
    return REFERENCE_PREFIX + "".join(
        REFERENCE_ALPHABET[rng.below(len(REFERENCE_ALPHABET))] for _ in range(_REFERENCE_CHARS)
    )


def execution_name(order_id: str, run: int) -> str:
    """A name is unique for 90 days after its execution's end, so each further execution has one of its own."""
    return f"{order_id}-{run}" if run else order_id


@dataclass(frozen=True, slots=True)
class OrderTerms:
    """The conditions of orders. `rates` are n$ per unit of each currency; `least` and `most` are n$ of credit."""

    rates: Mapping[str, int] = field(default_factory=lambda: {"USD": NANO_PER_USD})
    least: int = 5 * NANO_PER_USD
    most: int = 50_000 * NANO_PER_USD
    ttl_s: int = 7 * 24 * 3600
    open_max: int = 10
    legal_entity: str = LEGAL_ENTITY
    bank_details: tuple[BankDetail, ...] | None = None


def parse_amount(text: object) -> int:
    """Cents of "100", "100.5" or "100.50"; raises MoneyError for anything else, zero included."""
    found = _AMOUNT.fullmatch(text) if isinstance(text, str) else None
    cents = int(found[1]) * 100 + int((found[2] or "0").ljust(2, "0")) if found else 0
    if not cents:
        raise MoneyError('an amount is a decimal string above zero with at most two decimals, such as "100.00"')
    return cents


def amount_text(cents: int) -> str:
    """10050 → "100.50"."""
    return f"{cents // 100}.{cents % 100:02d}"


def rate_text(rate: int) -> str:
    """USD for one unit, without trailing zeros: 740000000 → "0.74"."""
    return nano_to_usd(rate).rstrip("0").rstrip(".")


class OrderRefused(Exception):
    """A condition on the order failed; `order` is the order at that moment, None when it does not exist."""

    def __init__(self, order: Order | None) -> None:
        super().__init__("a condition on the order failed")
        self.order = order


class OrderNotApproved(CreditBarred):
    """The order is not approved for exactly this account and amount. `status` is None if there is no order."""

    def __init__(self, status: str | None) -> None:
        super().__init__(f"the order is {status or 'not there'}, or approved for another account or amount")
        self.status = status


class TokenTaken(Exception):
    """The account used this client token before, for the order `order_id`."""

    def __init__(self, order_id: str) -> None:
        super().__init__("the client token was used before")
        self.order_id = order_id


class ReferenceTaken(Exception):
    """Another order has this reference."""


class WorkflowUnavailable(Exception):
    """The workflow service failed, or the outcome is unknown; the operation may be repeated."""


class NoticeFailed(Exception):
    """The notice was not sent, or the outcome is unknown."""


@dataclass(frozen=True, slots=True)
class OrderPage:
    """`after` continues the list; None at its end."""

    orders: tuple[Order, ...]
    after: str | None


@dataclass(frozen=True, slots=True)
class Notice:
    """A message to a person, or to all administrators where `to` is None. `facts` are for programs that read it."""

    kind: str
    to: str | None
    subject: str
    text: str = field(repr=False)
    facts: Mapping[str, str] = field(default_factory=dict)


class Workflow(Protocol):
    """Executions of the state machine, each the `run`-th one of an order. Every method raises WorkflowUnavailable."""

    async def start(self, order_id: str, run: int) -> None:
        """Start the execution, unless it was started before."""

    async def wake(self, token: str) -> bool:
        """End the wait that has this token; False when no execution waits for it."""

    async def is_running(self, order_id: str, run: int) -> bool | None:
        """None when it was never started."""


class Notices(Protocol):
    """Messages to users and administrators."""

    async def send(self, notice: Notice) -> None:
        """Raises NoticeFailed."""
