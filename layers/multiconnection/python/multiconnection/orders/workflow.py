"""The recharge workflow: its steps, and the repair of orders whose workflow was not started, failed or missed a call.

Every step reads the order first and may be repeated after any failure.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass

from multiconnection.ledger.credit import CreditRefused, credit_order
from multiconnection.ledger.models import CreditRow
from multiconnection.money import nano_to_usd
from multiconnection.ports import Alarms, Clock, Rng
from multiconnection.retry import Retry, StoreError

from .models import (
    FINAL,
    OPEN,
    Notice,
    NoticeFailed,
    Notices,
    Order,
    OrderRefused,
    OrderStatus,
    Workflow,
    WorkflowUnavailable,
    amount_text,
    first_order_id,
)
from .store import OrderCredits, OrdersTable

ATTEMPTS_MAX = 4
# The repair leaves orders alone that changed less than this ago: they move by themselves. It is also longer than the
# workflow service needs to know a new execution.
SETTLED_S = 60
# Executions of one order; more are a defect.
RUNS_MAX = 20
PAGE = 100
# Pages of one status that one repair looks at.
PAGES_MAX = 20
_OUTCOMES = {
    OrderStatus.CREDITED: "has been approved; {credit} USD are on your balance.",
    OrderStatus.REJECTED: "has been rejected: {reason}",
    OrderStatus.EXPIRED: "has expired without a decision. If you have paid, please answer to this message.",
    OrderStatus.CANCELLED: "has been cancelled, as you asked.",
}


class OrderMissing(Exception):
    """The workflow was started for an order that does not exist."""


class StepUnknown(Exception):
    """The state machine and this code are of different versions."""


class RechargeSteps:
    """The order's row decides about money, never a step's input or answer."""

    def __init__(
        self,
        orders: OrdersTable,
        order_credits: OrderCredits,
        notices: Notices,
        alarms: Alarms,
        clock: Clock,
        rng: Rng,
    ) -> None:
        self._orders = orders
        self._credits = order_credits
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
        """Run a step; the state machine branches on the answer.

        Raises OrderMissing, StepUnknown, NoticeFailed or StoreError.
        """
        if step not in self._steps:
            raise StepUnknown(step)
        order = await self._retry(lambda: self._orders.get(order_id), ATTEMPTS_MAX)
        if order is None:
            raise OrderMissing(order_id)
        return {"order_id": order_id, "status": (await self._steps[step](order)).status.value}

    async def look(self, order: Order) -> Order:
        return order

    async def review(self, order: Order) -> Order:
        """Open the order for a decision and notify the administrators; if that fails, their queue still shows it."""
        if order.status is OrderStatus.SUBMITTED:
            order = await self._transition(order, OrderStatus.IN_REVIEW)
        if order.status is OrderStatus.IN_REVIEW and order.announced_s is None:
            try:
                await self._notices.send(_announcement(order))
            except NoticeFailed as exc:
                self._alarms.alarm("order_notice_failed", order_id=order.order_id, error=str(exc))
            else:
                return await self._retry(lambda: self._orders.mark_announced(order, self._now_s()), ATTEMPTS_MAX)
        return order

    async def credit(self, order: Order) -> Order:
        """Credit an approved order once. An order that is not as approved raises an alarm and is not credited."""
        if order.status is not OrderStatus.APPROVED:
            return order
        if not order.is_as_approved:
            self._alarms.alarm("order_tampered", order_id=order.order_id, credit=order.credit)
            return order
        now_ms = int(self._clock.now() * 1000)
        note = f"{order.reference}: {amount_text(order.cents)} {order.currency}"
        row = CreditRow(order.account_id, order.order_id, order.credit, "order", note, order.decided_by, now_ms)
        try:
            await credit_order(self._retry, row, self._credits.put)
        except CreditRefused as exc:
            self._alarms.alarm("order_not_credited", order_id=order.order_id, error=str(exc))
        return await self._retry(lambda: self._orders.get(order.order_id), ATTEMPTS_MAX) or order

    async def expire(self, order: Order) -> Order:
        """The order's own time decides, not the workflow's timer."""
        if order.status in OPEN and self._now_s() >= order.expires_s:
            return await self._transition(order, OrderStatus.EXPIRED)
        return order

    async def notify(self, order: Order) -> Order:
        """Notify the user of the outcome. Raises NoticeFailed."""
        if order.is_final and order.notified_s is None:
            await self._notices.send(_outcome(order))
            return await self._retry(lambda: self._orders.mark_notified(order, self._now_s()), ATTEMPTS_MAX)
        return order

    async def _transition(self, order: Order, to: OrderStatus) -> Order:
        """The order after the transition, or in the state that it has reached otherwise in the meantime."""
        try:
            return await self._retry(lambda: self._orders.transition(order, to, self._now_s()), ATTEMPTS_MAX)
        except OrderRefused as exc:
            if exc.order is None:
                raise OrderMissing(order.order_id) from exc
            return exc.order

    def _now_s(self) -> int:
        return int(self._clock.now())


def _announcement(order: Order) -> Notice:
    amount = f"{amount_text(order.cents)} {order.currency}"
    text = (
        f"{order.email} has ordered a recharge of {amount} ({nano_to_usd(order.credit)} USD), reference "
        f"{order.reference}, by {order.method.replace('_', ' ')}. It waits for a decision in the admin console."
    )
    return Notice("order_submitted", None, f"Order {order.reference}: {amount}", text, _facts(order))


def _outcome(order: Order) -> Notice:
    outcome = _OUTCOMES[order.status].format(credit=nano_to_usd(order.credit), reason=order.reason)
    text = f"Your order {order.reference} of {amount_text(order.cents)} {order.currency} {outcome}"
    subject = f"Your order {order.reference}: {order.status.value}"
    return Notice(f"order_{order.status.value}", order.email, subject, text, _facts(order))


def _facts(order: Order) -> Mapping[str, str]:
    return {"order_id": order.order_id, "reference": order.reference, "status": order.status.value}


@dataclass(frozen=True, slots=True)
class RepairReport:
    """`moved` orders were woken, started or expired; `failed` ones are tried again next time."""

    looked_at: int = 0
    moved: int = 0
    failed: int = 0


class OrderRepair:
    """Repairs open orders, and those that ended within an order's lifetime without a notice to their user."""

    def __init__(self, orders: OrdersTable, workflow: Workflow, alarms: Alarms, clock: Clock, ttl_s: int) -> None:
        self._orders = orders
        self._workflow = workflow
        self._alarms = alarms
        self._clock = clock
        self._ttl_s = ttl_s

    async def repair_orders(self, until_s: float | None = None) -> RepairReport:
        """Stops at `until_s`; the next run continues. Raises StoreError when the table cannot be listed."""
        looked_at = moved = failed = 0
        async for order in self._candidates():
            if until_s is not None and self._clock.now() >= until_s:
                break
            looked_at += 1
            try:
                moved += await self._repair(order)
            except (StoreError, WorkflowUnavailable) as exc:
                self._alarms.alarm("order_repair_failed", order_id=order.order_id, error=repr(exc))
                failed += 1
        return RepairReport(looked_at, moved, failed)

    async def _candidates(self) -> AsyncIterator[Order]:
        settled_s = self._clock.now() - SETTLED_S
        for status in OrderStatus:
            async for order in self._with_status(status):
                if order.changed_s <= settled_s and not (order.is_final and order.notified_s is not None):
                    yield order

    async def _with_status(self, status: OrderStatus) -> AsyncIterator[Order]:
        """Open orders from the oldest; of final ones only those young enough for their workflow still to run."""
        final = status in FINAL
        first = first_order_id(int(self._clock.now()) - 2 * self._ttl_s) if final else ""
        after: str | None = None
        for _ in range(PAGES_MAX):
            page = await self._orders.with_status(status, PAGE, after, newest_first=final)
            for order in page.orders:
                if order.order_id < first:
                    return
                yield order
            after = page.after
            if after is None:
                return

    async def _repair(self, listed: Order) -> bool:
        """True if there was something to repair. The index may be behind, so the table is read again."""
        order = await self._orders.get(listed.order_id)
        if order is None or order.status is not listed.status:
            return False
        expired = await self._expire(order)
        woken = await self._wake(expired or order)
        return await self._restart(expired or order) or woken or expired is not None

    async def _expire(self, order: Order) -> Order | None:
        now_s = int(self._clock.now())
        if order.status not in OPEN or now_s < order.expires_s + SETTLED_S:
            return None
        try:
            return await self._orders.transition(order, OrderStatus.EXPIRED, now_s)
        except OrderRefused as exc:
            return exc.order

    async def _wake(self, order: Order) -> bool:
        if order.token is None or order.status is OrderStatus.IN_REVIEW:
            return False
        return await self._workflow.wake(order.token)

    async def _restart(self, order: Order) -> bool:
        """Start the execution that was never started, or another one in place of one that has ended."""
        running = await self._workflow.is_running(order.order_id, order.run)
        if running:
            return False
        if running is not None:
            if order.run >= RUNS_MAX:
                self._alarms.alarm("order_stuck", order_id=order.order_id, status=order.status.value)
                return False
            try:
                order = await self._orders.next_run(order)
            except OrderRefused:
                return False
        await self._workflow.start(order.order_id, order.run)
        return True
