"""A user's own recharge orders: create, list, retrieve, cancel."""

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256

from multiconnection.errors import (
    OrderConflict,
    OrderNotFound,
    OrderNotPending,
    RequestInvalid,
    TooManyOrders,
)
from multiconnection.identity.models import Session
from multiconnection.money import MoneyError, nano_to_usd
from multiconnection.ports import Alarms, Clock, Rng
from multiconnection.retry import Reliable

from .models import (
    METHODS,
    Order,
    OrderPage,
    OrderRefused,
    OrderStatus,
    OrderTerms,
    ReferenceTaken,
    TokenTaken,
    Workflow,
    WorkflowUnavailable,
    credit_of,
    is_order_id,
    new_order_id,
    new_reference,
    parse_amount,
)
from .schemas import OrderBody
from .store import OrdersTable

# There are nearly a billion references: a second collision in a row means that the random numbers are not random.
REFERENCES_MAX = 5
# The newest orders among which open ones are counted; no account has more within an order's lifetime.
OPEN_COUNTED_MAX = 100


class OrderAccess:
    """Orders with bounded repetition, and their workflow; shared by the services of users and administrators."""

    def __init__(self, table: OrdersTable, workflow: Workflow, alarms: Alarms, clock: Clock, rng: Rng) -> None:
        self.table = table
        self.reliably = Reliable(rng, "Orders cannot be read or changed at the moment.")
        self.rng = rng
        self._workflow = workflow
        self._alarms = alarms
        self._clock = clock

    def now_s(self) -> int:
        return int(self._clock.now())

    async def get(self, order_id: str) -> Order:
        """An order of any account. Raises OrderNotFound or LedgerUnavailable."""
        if not is_order_id(order_id):
            raise not_found(order_id)
        order = await self.reliably(lambda: self.table.get(order_id))
        if order is None:
            raise not_found(order_id)
        return order

    async def start_workflow(self, order: Order) -> None:
        """Start the order's execution; if that fails, the repair does it a minute later."""
        try:
            await self._workflow.start(order.order_id, order.run)
        except WorkflowUnavailable as exc:
            self._alarms.alarm("order_not_started", order_id=order.order_id, error=str(exc))

    async def wake_workflow(self, order: Order) -> None:
        """Make the waiting workflow look at the order; if that fails, the repair does it a minute later."""
        if order.token is None:
            return
        try:
            await self._workflow.wake(order.token)
        except WorkflowUnavailable as exc:
            self._alarms.alarm("order_not_woken", order_id=order.order_id, error=str(exc))


class OrderService:
    """Orders of one account: those of other accounts are not found."""

    def __init__(self, access: OrderAccess, terms: OrderTerms) -> None:
        self.terms = terms
        self._access = access

    async def create(self, session: Session, body: OrderBody) -> tuple[Order, bool]:
        """The order, and whether it is new: the same client token gives the same order.

        Raises RequestInvalid, TooManyOrders, OrderConflict or LedgerUnavailable.
        """
        new = self._new(session, body)
        token_key = sha256(f"{session.account_id}\n{body.client_token}".encode()).hexdigest()
        order = await self._created_before(token_key)
        if order is None:
            await self._require_room(session.account_id)
            order = await self._put(new, token_key)
        is_new = order.order_id == new.order_id
        if not is_new and _requested(order) != _requested(new):
            raise OrderConflict("This client token was used for another order.", param="client_token")
        if order.status is OrderStatus.SUBMITTED:
            await self._access.start_workflow(order)
        return order, is_new

    async def list(self, account_id: str, limit: int, cursor: str | None) -> OrderPage:
        """Newest first. Raises RequestInvalid or LedgerUnavailable."""
        after = checked_cursor(cursor)
        return await self._access.reliably(lambda: self._access.table.of_account(account_id, limit, after))

    async def get(self, account_id: str, order_id: str) -> Order:
        """Raises OrderNotFound or LedgerUnavailable."""
        order = await self._access.get(order_id)
        if order.account_id != account_id:
            raise not_found(order_id)
        return order

    async def cancel(self, account_id: str, order_id: str) -> Order:
        """Cancel an order that is not decided; may be repeated.

        Raises OrderNotFound, OrderNotPending or LedgerUnavailable.
        """
        order = await self.get(account_id, order_id)
        now_s = self._access.now_s()
        try:
            order = await self._access.reliably(
                lambda: self._access.table.transition(order, OrderStatus.CANCELLED, now_s)
            )
        except OrderRefused as exc:
            order = exc.order or order
            if order.status is not OrderStatus.CANCELLED:
                raise not_pending(order) from exc
        await self._access.wake_workflow(order)
        return order

    def _new(self, session: Session, body: OrderBody) -> Order:
        try:
            cents = parse_amount(body.amount)
        except MoneyError as exc:
            raise RequestInvalid(f"Invalid value for 'amount': {exc}.", param="amount") from exc
        rate = self.terms.rates.get(body.currency)
        if rate is None:
            raise RequestInvalid(f"'currency' is one of {', '.join(self.terms.rates)}.", param="currency")
        if body.method not in METHODS:
            raise RequestInvalid(f"'method' is one of {', '.join(METHODS)}.", param="method")
        now_s = self._access.now_s()
        return Order(
            order_id=new_order_id(now_s, self._access.rng),
            reference=new_reference(self._access.rng),
            account_id=session.account_id,
            email=session.email,
            cents=cents,
            currency=body.currency,
            rate=rate,
            credit=self._bounded(credit_of(cents, rate)),
            method=body.method,
            status=OrderStatus.SUBMITTED,
            note=body.note or "",
            created_s=now_s,
            expires_s=now_s + self.terms.ttl_s,
            times={OrderStatus.SUBMITTED: now_s},
        )

    def _bounded(self, credit: int) -> int:
        if not self.terms.least <= credit <= self.terms.most:
            least, most = nano_to_usd(self.terms.least), nano_to_usd(self.terms.most)
            raise RequestInvalid(f"An order credits {least} to {most} USD, not {nano_to_usd(credit)}.", param="amount")
        return credit

    async def _created_before(self, token_key: str) -> Order | None:
        order_id = await self._access.reliably(lambda: self._access.table.by_token(token_key))
        return await self._access.get(order_id) if order_id else None

    async def _require_room(self, account_id: str) -> None:
        """A guard against mistakes: the index may be a moment behind, so simultaneous orders can exceed the limit."""
        page = await self._access.reliably(lambda: self._access.table.of_account(account_id, OPEN_COUNTED_MAX))
        undecided = sum(not order.is_final for order in page.orders)
        if undecided >= self.terms.open_max:
            raise TooManyOrders(f"There are {undecided} open orders already; cancel one, or wait for a decision.")

    async def _put(self, order: Order, token_key: str) -> Order:
        """The order under the token: this one, with another reference if its own was taken, or an earlier one."""
        for _ in range(REFERENCES_MAX):
            try:
                await self._access.reliably(lambda: self._access.table.create(order, token_key))  # noqa: B023
            except TokenTaken as exc:
                return await self._access.get(exc.order_id)
            except ReferenceTaken:
                order = replace(order, reference=new_reference(self._access.rng))
                continue
            return order
        raise OrderConflict("No free reference was found.")


def checked_cursor(cursor: str | None) -> str | None:
    """Raises RequestInvalid for a text that is not a cursor of these lists."""
    if cursor is not None and not is_order_id(cursor):
        raise RequestInvalid("This cursor is none of this list's.", param="cursor")
    return cursor


def not_found(order_id: str) -> OrderNotFound:
    return OrderNotFound(f"There is no order {order_id[:64]!r}.", param="order_id")


def not_pending(order: Order, *, to_admin: bool = False) -> OrderNotPending:
    """The refusal of a change that comes too late; it does not name the administrator to users."""
    status = order.status.value
    decided_by = order.decided_by if to_admin else "administrator"
    details = {
        "status": status,
        "decided_by": decided_by if order.decided_by else None,
        "decided_at": order.changed_s,
    }
    return OrderNotPending(f"The order {order.reference} is {status.replace('_', ' ')}.", details=details)


def _requested(order: Order) -> Mapping[str, object]:
    return {"cents": order.cents, "currency": order.currency, "method": order.method}
