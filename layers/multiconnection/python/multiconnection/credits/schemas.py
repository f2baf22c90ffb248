"""Bodies and answers of balances, credits and adjustments."""

from typing import Annotated, Literal, Self

from pydantic import Field

from multiconnection.ledger.models import CreditRow
from multiconnection.money import nano_to_usd
from multiconnection.web.openapi import AnswerModel, Money, Time
from multiconnection.web.validation import ReasonBody

from .models import Adjustment, AdjustmentStatus, Balance


class AdjustBody(ReasonBody):
    """`amount` is a decimal string in USD with its sign, "-2.50"."""

    amount: Annotated[str, Field(min_length=1, max_length=24)]
    client_token: Annotated[str, Field(min_length=8, max_length=128)]


class AccountBalanceAnswer(AnswerModel):
    """Amounts that always add up: `credits_in` is `available` + `in_flight` + `charged`."""

    currency: Literal["USD"] = "USD"
    available: Money
    in_flight: Money
    credits_in: Money
    charged: Money

    @classmethod
    def of(cls, balance: Balance) -> Self:
        return cls(
            available=nano_to_usd(balance.available),
            in_flight=nano_to_usd(balance.in_flight),
            credits_in=nano_to_usd(balance.credits_in),
            charged=nano_to_usd(balance.charged),
        )


class CreditAnswer(AnswerModel):
    """A movement of money into an account, or out of it where `amount` is negative."""

    id: str
    kind: Literal["grant", "order", "adjustment", "refund"]
    amount: Money
    note: str
    created: Time
    order_id: str | None

    @classmethod
    def of(cls, row: CreditRow) -> Self:
        return cls(
            id=row.credit_id,
            kind=row.kind,
            amount=nano_to_usd(row.amount),
            note=row.reason,
            created=row.created_ms // 1000,
            # An order is credited under its own id, so that it happens once.
            order_id=row.credit_id if row.kind == "order" else None,
        )


class AdjustmentAnswer(AnswerModel):
    """`note` is the reason of a rejection; `decided_by` is null for a small amount, which needs no second person."""

    object: Literal["adjustment"] = "adjustment"
    id: str
    account_id: str
    amount: Money
    reason: str
    status: AdjustmentStatus
    created: Time
    proposed_by: str
    decided_by: str | None
    decided_at: Time | None
    note: str | None

    @classmethod
    def of(cls, adjustment: Adjustment) -> Self:
        return cls(
            id=adjustment.adjustment_id,
            account_id=adjustment.account_id,
            amount=nano_to_usd(adjustment.amount),
            reason=adjustment.reason,
            status=adjustment.status,
            created=adjustment.created_s,
            proposed_by=adjustment.proposed_by,
            decided_by=adjustment.decided_by or None,
            decided_at=adjustment.decided_s,
            note=adjustment.note or None,
        )


class AdjustedAnswer(AnswerModel):
    """The adjustment after the request."""

    adjustment: AdjustmentAnswer
