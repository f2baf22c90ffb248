"""Orders read and written with bounded repetition, and their workflow told; shared by the services about orders."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from multiconnection.domain.errors import LedgerUnavailable
from multiconnection.domain.order_errors import OrderNotFound, OrderNotPending
from multiconnection.domain.orders import Order, is_order_id
from multiconnection.domain.ports import Rng
from multiconnection.ledger.retry import Retry
from multiconnection.ledger.store import Alarms, StoreError

from .order_ports import OrderStore, Workflow, WorkflowUnavailable

T = TypeVar("T")
ATTEMPTS_MAX = 5


class OrderAccess:
    """What the services about orders share."""

    def __init__(self, orders: OrderStore, workflow: Workflow, alarms: Alarms, rng: Rng) -> None:
        self.store = orders
        self.workflow = workflow
        self._alarms = alarms
        self._retry = Retry(rng)

    async def reliably(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Raises LedgerUnavailable, and whatever else the operation raises."""
        try:
            return await self._retry(operation, ATTEMPTS_MAX)
        except StoreError as exc:
            raise LedgerUnavailable("Orders cannot be read or changed at the moment.", retry_after_s=1) from exc

    async def get(self, order_id: str) -> Order:
        """Raises OrderNotFound or LedgerUnavailable."""
        if not is_order_id(order_id):
            raise not_found(order_id)
        order = await self.reliably(lambda: self.store.get(order_id))
        if order is None:
            raise not_found(order_id)
        return order

    async def begin(self, order: Order) -> None:
        """Start the workflow; the repair does it a minute later when that fails."""
        try:
            await self.workflow.start(order.order_id, order.run)
        except WorkflowUnavailable as exc:
            self._alarms.alarm("order_not_started", order_id=order.order_id, error=str(exc))

    async def wake(self, order: Order) -> None:
        """Tell the waiting workflow to look at the order; the repair does it a minute later when that fails."""
        if order.token is None:
            return
        try:
            await self.workflow.wake(order.token)
        except WorkflowUnavailable as exc:
            self._alarms.alarm("order_not_woken", order_id=order.order_id, error=str(exc))


def not_found(order_id: str) -> OrderNotFound:
    return OrderNotFound(f"There is no order {order_id[:64]!r}.", param="order_id")


def not_pending(order: Order, *, to_admin: bool = False) -> OrderNotPending:
    """With what whoever was late needs to know; which administrator decided is no business of a user's."""
    status = order.status.value
    decided_by = order.decided_by if to_admin else "administrator"
    details = {
        "status": status,
        "decided_by": decided_by if order.decided_by else None,
        "decided_at": order.changed_s,
    }
    return OrderNotPending(f"The order {order.reference} is {status.replace('_', ' ')}.", details=details)
