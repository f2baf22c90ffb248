"""Bodies and answers of the order routes; amounts are decimal strings, never JSON numbers."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field

from multiconnection.config import BankDetail
from multiconnection.ledger.models import AccountStatus
from multiconnection.money import nano_to_usd
from multiconnection.uploads.schemas import PresignedPut
from multiconnection.web.openapi import AnswerModel, Money, Time
from multiconnection.web.validation import StrictBody, Text

from .models import METHODS, Order, OrderStatus, OrderTerms, Receipt, amount_text, rate_text

Amount = Annotated[str, Field(min_length=1, max_length=20)]
Method = Literal["bank_transfer", "enterprise_contract"]
_BY_USER = (OrderStatus.SUBMITTED, OrderStatus.CANCELLED)
_BY_ADMIN = (OrderStatus.APPROVED, OrderStatus.REJECTED)


class OrderBody(StrictBody):
    """`method` is one of the options; the server computes the credit."""

    amount: Amount
    currency: Annotated[str, Field(min_length=3, max_length=3)]
    method: Annotated[str, Field(max_length=40)]
    client_token: Annotated[str, Field(min_length=8, max_length=128)]
    note: Text | None = None


class ReceiptBody(StrictBody):
    """The file that is about to be uploaded."""

    content_type: Annotated[str, Field(min_length=1, max_length=128)]
    bytes: Annotated[int, Field(gt=0)]
    filename: Annotated[str, Field(max_length=255)] | None = None


class ApproveBody(StrictBody):
    """`amount` and `account_id` repeat what the administrator saw."""

    amount: Amount
    account_id: Annotated[str, Field(min_length=1, max_length=128)]
    note: Text | None = None


class ReceiptAnswer(AnswerModel):
    content_type: str
    bytes: int
    uploaded: Time

    @classmethod
    def of(cls, receipt: Receipt) -> Self:
        return cls(content_type=receipt.content_type, bytes=receipt.size, uploaded=receipt.uploaded_s)


class OrderEventAnswer(AnswerModel):
    """One state of an order. Only an administrator's decision has a `reason`, and only if one was given."""

    status: OrderStatus
    at: Time
    by: Literal["you", "administrator", "system"]
    reason: str = Field(default="", exclude_if=lambda reason: not reason)

    @classmethod
    def of(cls, order: Order, status: OrderStatus, at_s: int) -> Self:
        by = "you" if status in _BY_USER else "administrator" if status in _BY_ADMIN else "system"
        return cls(status=status, at=at_s, by=by, reason=order.reason if status in _BY_ADMIN else "")


class OrderAnswer(AnswerModel):
    """An order as its owner sees it, without the workflow's token and the administrator's name."""

    object: Literal["order"] = "order"
    id: str
    reference: str
    amount: Money
    currency: str
    rate: str
    credit: Money
    method: Method
    status: OrderStatus
    note: str
    created: Time
    expires_at: Time
    receipt: ReceiptAnswer | None
    timeline: list[OrderEventAnswer]
    reason: str | None

    @classmethod
    def of(cls, order: Order, **more: Any) -> Self:
        """`more` are the members that a subclass adds."""
        return cls(
            id=order.order_id,
            reference=order.reference,
            amount=amount_text(order.cents),
            currency=order.currency,
            rate=rate_text(order.rate),
            credit=nano_to_usd(order.credit),
            method=order.method,
            status=order.status,
            note=order.note,
            created=order.created_s,
            expires_at=order.expires_s,
            receipt=order.receipt and ReceiptAnswer.of(order.receipt),
            timeline=[OrderEventAnswer.of(order, status, at_s) for status, at_s in order.timeline],
            reason=order.reason or None,
            **more,
        )


class CurrencyAnswer(AnswerModel):
    """`rate` is a text for people, such as "1 SGD = 0.74 USD"."""

    code: str
    rate: str
    usd_per_unit: str


class OrderOptionsAnswer(AnswerModel):
    """Currencies, bounds and methods of an order, and the payee."""

    object: Literal["order_options"] = "order_options"
    currencies: list[CurrencyAnswer]
    amount_min: Money
    amount_max: Money
    methods: list[Method]
    legal_entity: str
    bank_details: list[BankDetail] | None
    order_ttl_s: int

    @classmethod
    def of(cls, terms: OrderTerms) -> Self:
        rates = {code: rate_text(rate) for code, rate in terms.rates.items()}
        return cls(
            currencies=[
                CurrencyAnswer(code=code, rate=f"1 {code} = {rate} USD", usd_per_unit=rate)
                for code, rate in rates.items()
            ],
            amount_min=nano_to_usd(terms.least),
            amount_max=nano_to_usd(terms.most),
            methods=list(METHODS),
            legal_entity=terms.legal_entity,
            bank_details=terms.bank_details and list(terms.bank_details),
            order_ttl_s=terms.ttl_s,
        )


class ReceiptUploadAnswer(AnswerModel):
    upload: PresignedPut
    expires_at: Time


class OrderAccountAnswer(AnswerModel):
    """The order's account; `status` is null when it does not exist."""

    id: str
    email: str
    balance: Money
    credits_total: Money
    orders_count: int
    status: AccountStatus | None


class ReviewedOrderAnswer(OrderAnswer):
    """An order as administrators see it, with its account, its receipt and the decision's author."""

    account: OrderAccountAnswer
    decided_by: str | None
    receipt_url: str | None
