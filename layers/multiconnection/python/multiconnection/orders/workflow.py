"""The steps of the recharge workflow. Each looks at the order first and may be repeated after any failure."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass

from multiconnection.ledger.credit import CreditRefused, credit_order
from multiconnection.ledger.models import CreditRow
from multiconnection.money import nano_to_usd
from multiconnection.ports import Alarms, Clock, Rng
from multiconnection.retry import Retry, StoreError

from .models import (
    FINAL,
    Notice,
    NoticeFailed,
    Notices,
    Order,
    OrderRefused,
    OrderStatus,
    OrderStore,
    Workflow,
    WorkflowUnavailable,
    amount_text,
    first_order_id,
)
from .store import OrderCredits

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


class RechargeSteps:
    """The truth is the order's row: what a step is told or returns decides nothing about money."""

    def __init__(
        self,
        orders: OrderStore,
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
            await credit_order(self._retry, row, self._credits.put)
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


# The net under the workflow: orders that were never started, whose workflow died, or that nobody woke.

# What moves by itself is left alone; also longer than the workflow service needs to know its own executions.
SETTLED_S = 60
# Executions of one order; more than this is no accident.
RUNS_MAX = 20
PAGE = 100
# Orders of one status that one run looks at.
PAGES_MAX = 20


@dataclass(frozen=True, slots=True)
class RepairReport:
    """`moved` were woken, started or expired; `failed` come again next time."""

    looked_at: int = 0
    moved: int = 0
    failed: int = 0


class OrderRepair:
    """Looks at open orders and at those that ended within an order's lifetime and whose user was not told."""

    def __init__(self, orders: OrderStore, workflow: Workflow, alarms: Alarms, clock: Clock, ttl_s: int) -> None:
        self._orders = orders
        self._workflow = workflow
        self._alarms = alarms
        self._clock = clock
        self._ttl_s = ttl_s

    async def repair_orders(self, until_s: float | None = None) -> RepairReport:
        """Stops at `until_s` and goes on next time. Raises StoreError when the table cannot be listed."""
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
        """Open ones from the oldest; of the final ones only as many as the workflow may still wait for."""
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

    async def _repair(self, seen: Order) -> bool:
        """Whether there was something to do. The index may be behind, so the table is asked."""
        order = await self._orders.get(seen.order_id)
        if order is None or order.status is not seen.status:
            return False
        expired = await self._expired(order)
        woken = await self._woken(expired or order)
        return await self._running(expired or order) or woken or expired is not None

    async def _expired(self, order: Order) -> Order | None:
        now_s = int(self._clock.now())
        if order.status not in (OrderStatus.SUBMITTED, OrderStatus.IN_REVIEW) or now_s < order.expires_s + SETTLED_S:
            return None
        try:
            return await self._orders.transition(order, OrderStatus.EXPIRED, now_s)
        except OrderRefused as exc:
            return exc.order

    async def _woken(self, order: Order) -> bool:
        if order.token is None or order.status is OrderStatus.IN_REVIEW:
            return False
        return await self._workflow.wake(order.token)

    async def _running(self, order: Order) -> bool:
        """Start the execution that was never started, or another one in the place of one that has ended."""
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
