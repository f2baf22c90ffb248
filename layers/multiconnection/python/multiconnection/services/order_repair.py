"""The net under the workflow: orders that were never started, whose workflow died, or that nobody woke."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from multiconnection.domain.orders import FINAL, Order, OrderStatus, first_order_id
from multiconnection.domain.ports import Clock
from multiconnection.ledger.store import Alarms, StoreError

from .order_ports import OrderRefused, OrderStore, Workflow, WorkflowUnavailable

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
