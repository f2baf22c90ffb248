"""The steps of the recharge workflow. Each looks at the order first and may be repeated after any failure."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from multiconnection.domain.money import nano_to_usd
from multiconnection.domain.order_terms import amount_text
from multiconnection.domain.orders import Order, OrderStatus
from multiconnection.domain.ports import Clock, Rng
from multiconnection.ledger.accounts import CreditRow
from multiconnection.ledger.credit import CreditRefused
from multiconnection.ledger.retry import Retry
from multiconnection.ledger.store import Alarms

from .order_ports import Notice, NoticeFailed, Notices, OrderRefused, OrderStore

ATTEMPTS_MAX = 4
_ENDINGS = {
    OrderStatus.CREDITED: "has been approved; {credit} USD are on your balance.",
    OrderStatus.REJECTED: "has been rejected: {reason}",
    OrderStatus.EXPIRED: "has expired without a decision. If you have paid, please answer to this message.",
    OrderStatus.CANCELLED: "has been cancelled, as you asked.",
}


class OrderMissing(Exception):
    """The workflow was started for an order that is not there."""


class StepUnknown(Exception):
    """The state machine and this code are not of one version."""


class OrderCreditor(Protocol):
    async def credit_order(self, row: CreditRow) -> CreditRow:
        """Once for each order; raises CreditRefused or StoreError."""


class RechargeSteps:
    """The truth is the order's row: what a step is told or returns decides nothing about money."""

    def __init__(
        self, orders: OrderStore, creditor: OrderCreditor, notices: Notices, alarms: Alarms, clock: Clock, rng: Rng
    ) -> None:
        self._orders = orders
        self._creditor = creditor
        self._notices = notices
        self._alarms = alarms
        self._clock = clock
        self._retry = Retry(rng)
        self._steps: Mapping[str, Callable[[Order], Awaitable[Order]]] = {
            "review": self.review,
            "look": self.look,
            "credit": self.credit,
            "expire": self.expire,
            "notify": self.notify,
        }

    async def run(self, step: str, order_id: str) -> dict[str, str]:
        """What the state machine chooses by. Raises OrderMissing, StepUnknown, NoticeFailed or StoreError."""
        if step not in self._steps:
            raise StepUnknown(step)
        order = await self._retry(lambda: self._orders.get(order_id), ATTEMPTS_MAX)
        if order is None:
            raise OrderMissing(order_id)
        return {"order_id": order_id, "status": (await self._steps[step](order)).status.value}

    async def look(self, order: Order) -> Order:
        return order

    async def review(self, order: Order) -> Order:
        """Open the order for a decision and tell the administrators; their queue shows it also when that fails."""
        if order.status is OrderStatus.SUBMITTED:
            order = await self._moved(order, OrderStatus.IN_REVIEW)
        if order.status is OrderStatus.IN_REVIEW and order.announced_s is None:
            try:
                await self._notices.send(_announcement(order))
            except NoticeFailed as exc:
                self._alarms.alarm("order_notice_failed", order_id=order.order_id, error=str(exc))
            else:
                return await self._retry(lambda: self._orders.mark_announced(order, self._now_s()), ATTEMPTS_MAX)
        return order

    async def credit(self, order: Order) -> Order:
        """Money-in of an approved order, once. Whatever is wrong with it leaves it approved, alarmed and unpaid."""
        if order.status is not OrderStatus.APPROVED:
            return order
        if not order.is_as_approved:
            self._alarms.alarm("order_tampered", order_id=order.order_id, credit=order.credit)
            return order
        now_ms = int(self._clock.now() * 1000)
        note = f"{order.reference}: {amount_text(order.cents)} {order.currency}"
        row = CreditRow(order.account_id, order.order_id, order.credit, "order", note, order.decided_by, now_ms)
        try:
            await self._creditor.credit_order(row)
        except CreditRefused as exc:
            self._alarms.alarm("order_not_credited", order_id=order.order_id, error=str(exc))
        return await self._again(order)

    async def expire(self, order: Order) -> Order:
        """The order's own time decides, not the workflow's timer."""
        if order.status in (OrderStatus.SUBMITTED, OrderStatus.IN_REVIEW) and self._now_s() >= order.expires_s:
            return await self._moved(order, OrderStatus.EXPIRED)
        return order

    async def notify(self, order: Order) -> Order:
        """Tell the user how it ended. Raises NoticeFailed."""
        if order.is_final and order.notified_s is None:
            await self._notices.send(_ending(order))
            return await self._retry(lambda: self._orders.mark_notified(order, self._now_s()), ATTEMPTS_MAX)
        return order

    async def _moved(self, order: Order, to: OrderStatus) -> Order:
        """The order after the transition, or as somebody else has moved it meanwhile."""
        try:
            return await self._retry(lambda: self._orders.transition(order, to, self._now_s()), ATTEMPTS_MAX)
        except OrderRefused as exc:
            if exc.order is None:
                raise OrderMissing(order.order_id) from exc
            return exc.order

    async def _again(self, order: Order) -> Order:
        return await self._retry(lambda: self._orders.get(order.order_id), ATTEMPTS_MAX) or order

    def _now_s(self) -> int:
        return int(self._clock.now())


def _announcement(order: Order) -> Notice:
    amount = f"{amount_text(order.cents)} {order.currency}"
    text = (
        f"{order.email} has ordered a recharge of {amount} ({nano_to_usd(order.credit)} USD), reference "
        f"{order.reference}, by {order.method.replace('_', ' ')}. It waits for a decision in the admin console."
    )
    return Notice("order_submitted", None, f"Order {order.reference}: {amount}", text, _facts(order))


def _ending(order: Order) -> Notice:
    told = _ENDINGS[order.status].format(credit=nano_to_usd(order.credit), reason=order.reason)
    text = f"Your order {order.reference} of {amount_text(order.cents)} {order.currency} {told}"
    subject = f"Your order {order.reference}: {order.status.value}"
    return Notice(f"order_{order.status.value}", order.email, subject, text, _facts(order))


def _facts(order: Order) -> Mapping[str, str]:
    return {"order_id": order.order_id, "reference": order.reference, "status": order.status.value}
