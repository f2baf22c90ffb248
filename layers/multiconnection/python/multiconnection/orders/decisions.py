"""Administrators' decisions about orders: look at the queue, approve, reject. Only the workflow credits."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from multiconnection.audit.log import AuditTable
from multiconnection.errors import OrderAmountMismatch, RequestInvalid, SelfApprovalForbidden
from multiconnection.identity.models import Session
from multiconnection.ledger.models import Account
from multiconnection.ledger.store import Store
from multiconnection.money import MoneyError, nano_to_usd

from .models import Order, OrderRefused, OrderStatus, Receipt, amount_text, credit_of, parse_amount
from .service import OrderAccess, checked_cursor, not_pending

# Orders of one account that are counted; an account with more is shown as having this many.
COUNTED_MAX = 100
# The statuses in which a decision is found to have been taken before.
_REACHED = {
    OrderStatus.APPROVED: (OrderStatus.APPROVED, OrderStatus.CREDITED),
    OrderStatus.REJECTED: (OrderStatus.REJECTED,),
}
ReceiptUrl = Callable[[Order, Receipt], Awaitable[str]]
"""A URL at which an administrator sees an order's receipt. Raises StorageUnavailable."""


@dataclass(frozen=True, slots=True)
class ReviewedOrder:
    """An order with what an administrator needs to decide about it.

    `account` is None when it does not exist; its order cannot be credited.
    """

    order: Order
    account: Account | None
    orders_count: int
    receipt_url: str | None


class OrderDecisions:
    """Decide about orders, each once, and log every decision before and after it."""

    def __init__(self, access: OrderAccess, ledger: Store, receipt_url: ReceiptUrl, audit: AuditTable) -> None:
        self._access = access
        self._ledger = ledger
        self._receipt_url = receipt_url
        self._audit = audit

    async def queue(
        self, status: OrderStatus, limit: int, cursor: str | None
    ) -> tuple[list[ReviewedOrder], str | None]:
        """Oldest first, and the cursor of the next page."""
        after = checked_cursor(cursor)
        page = await self._access.reliably(lambda: self._access.table.with_status(status, limit, after))
        return list(await asyncio.gather(*(self.reviewed(order) for order in page.orders))), page.after

    async def get(self, order_id: str) -> ReviewedOrder:
        """Raises OrderNotFound or LedgerUnavailable."""
        return await self.reviewed(await self._access.get(order_id))

    async def approve(self, admin: Session, order_id: str, amount: str, account_id: str, note: str = "") -> Order:
        """Approve exactly what the administrator saw. Repeated by the same administrator, it wakes the workflow again.

        Raises OrderNotFound, SelfApprovalForbidden, OrderAmountMismatch, OrderNotPending or LedgerUnavailable.
        """
        order = await self._decidable(admin, order_id)
        if account_id != order.account_id:
            raise OrderAmountMismatch("The repeated account is not the order's.", param="account_id")
        if _cents(amount) != order.cents:
            message = f"The repeated amount is not the order's {amount_text(order.cents)} {order.currency}."
            raise OrderAmountMismatch(message, param="amount")
        if order.credit != credit_of(order.cents, order.rate):
            raise OrderAmountMismatch("The order's credit does not follow from its amount and rate.", param="amount")
        return await self._decide(admin, order, OrderStatus.APPROVED, note, {"approved_credit": order.credit})

    async def reject(self, admin: Session, order_id: str, why: str) -> Order:
        """Raises OrderNotFound, SelfApprovalForbidden, OrderNotPending or LedgerUnavailable."""
        order = await self._decidable(admin, order_id)
        return await self._decide(admin, order, OrderStatus.REJECTED, why, {})

    async def reviewed(self, order: Order) -> ReviewedOrder:
        """Raises LedgerUnavailable or StorageUnavailable."""
        account_id = order.account_id
        account = await self._access.reliably(lambda: self._ledger.account(account_id))
        page = await self._access.reliably(lambda: self._access.table.of_account(account_id, COUNTED_MAX))
        url = await self._receipt_url(order, order.receipt) if order.receipt else None
        return ReviewedOrder(order, account, len(page.orders), url)

    async def _decidable(self, admin: Session, order_id: str) -> Order:
        order = await self._access.get(order_id)
        if order.account_id == admin.account_id:
            raise SelfApprovalForbidden("Another administrator has to decide about your own order.")
        return order

    async def _decide(
        self, admin: Session, order: Order, to: OrderStatus, why: str, changes: Mapping[str, str | int]
    ) -> Order:
        """The first decision wins. The request is logged before anything changes, the result afterwards."""
        now_s = self._access.now_s()
        await self._log(admin, f"order.{to.value}.asked", order, order, why)
        decider: dict[str, str | int] = {"decided_by": admin.email, "decider_id": admin.user_id, "reason": why}
        try:
            decided = await self._access.reliably(
                lambda: self._access.table.transition(order, to, now_s, {**decider, **changes})
            )
        except OrderRefused as exc:
            decided = exc.order or order
            await self._require_own_decision(admin, decided, to, exc)
        await self._log(admin, f"order.{to.value}", order, decided, why)
        await self._access.wake_workflow(decided)
        return decided

    async def _log(self, admin: Session, action: str, before: Order, after: Order, why: str) -> None:
        await self._access.reliably(
            lambda: self._audit.record(admin.email, action, before.order_id, _facts(before), _facts(after), why)
        )

    async def _require_own_decision(self, admin: Session, order: Order, to: OrderStatus, exc: OrderRefused) -> None:
        """A repeated click finds its own decision; another administrator's click is refused with the author."""
        if order.status in _REACHED[to] and order.decider_id == admin.user_id:
            return
        if order.status is OrderStatus.IN_REVIEW:
            raise OrderAmountMismatch("The order was changed meanwhile; look at it again.", param="amount") from exc
        # The workflow may not have noticed the decision.
        await self._access.wake_workflow(order)
        raise not_pending(order, to_admin=True) from exc


def _cents(amount: str) -> int:
    try:
        return parse_amount(amount)
    except MoneyError as exc:
        raise RequestInvalid(f"Invalid value for 'amount': {exc}.", param="amount") from exc


def _facts(order: Order) -> Mapping[str, object]:
    return {
        "status": order.status.value,
        "reference": order.reference,
        "account_id": order.account_id,
        "amount": amount_text(order.cents),
        "currency": order.currency,
        "credit": nano_to_usd(order.credit),
    }
