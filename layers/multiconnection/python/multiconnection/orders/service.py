"""A user's own recharge orders: make, list, look, cancel."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
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
    OrderStore,
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

# Nearly a billion references: a second collision in a row is a broken source of chance.
REFERENCES_MAX = 5
# The newest orders that are looked at for open ones; nobody has more within an order's lifetime.
OPEN_LOOKED_AT = 100


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """What a user may say about an order; the credit is the server's to compute."""

    amount: str
    currency: str
    method: str
    client_token: str
    note: str = ""


class OrderAccess:
    """Orders read and written with bounded repetition, and their workflow told; shared by the services of orders."""

    def __init__(self, orders: OrderStore, workflow: Workflow, alarms: Alarms, rng: Rng) -> None:
        self.store = orders
        self.workflow = workflow
        self._alarms = alarms
        self.reliably = Reliable(rng, "Orders cannot be read or changed at the moment.")

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


class OrderService:
    """Every method works on the session's account alone; another account's order is simply not there."""

    def __init__(self, access: OrderAccess, terms: OrderTerms, clock: Clock, rng: Rng) -> None:
        self.terms = terms
        self._access = access
        self._clock = clock
        self._rng = rng

    async def create(self, session: Session, request: OrderRequest) -> tuple[Order, bool]:
        """The order, and whether it is a new one: the same client token gives the same order.

        Raises RequestInvalid, TooManyOrders, OrderConflict or LedgerUnavailable.
        """
        wanted = self._wanted(session, request)
        token_key = sha256(f"{session.account_id}\n{request.client_token}".encode()).hexdigest()
        if (first := await self._made_before(token_key)) is None:
            await self._require_room(session.account_id)
            first = await self._put(wanted, token_key)
        made = first.order_id == wanted.order_id
        if not made and _asked(first) != _asked(wanted):
            raise OrderConflict("This client token was used for another order.", param="client_token")
        if first.status is OrderStatus.SUBMITTED:
            await self._access.begin(first)
        return first, made

    async def list(self, account_id: str, limit: int, cursor: str | None) -> OrderPage:
        """Newest first."""
        after = checked_cursor(cursor)
        return await self._access.reliably(lambda: self._access.store.of_account(account_id, limit, after))

    async def get(self, account_id: str, order_id: str) -> Order:
        """Raises OrderNotFound."""
        order = await self._access.get(order_id)
        if order.account_id != account_id:
            raise not_found(order_id)
        return order

    async def cancel(self, account_id: str, order_id: str) -> Order:
        """Again is the same. Raises OrderNotFound or OrderNotPending."""
        order = await self.get(account_id, order_id)
        now_s = int(self._clock.now())
        try:
            order = await self._access.reliably(
                lambda: self._access.store.transition(order, OrderStatus.CANCELLED, now_s)
            )
        except OrderRefused as exc:
            order = exc.order or order
            if order.status is not OrderStatus.CANCELLED:
                raise not_pending(order) from exc
        await self._access.wake(order)
        return order

    def _wanted(self, session: Session, request: OrderRequest) -> Order:
        try:
            cents = parse_amount(request.amount)
        except MoneyError as exc:
            raise RequestInvalid(f"Invalid value for 'amount': {exc}.", param="amount") from exc
        rate = self.terms.rates.get(request.currency)
        if rate is None:
            raise RequestInvalid(f"'currency' is one of {', '.join(self.terms.rates)}.", param="currency")
        if request.method not in METHODS:
            raise RequestInvalid(f"'method' is one of {', '.join(METHODS)}.", param="method")
        now_s = int(self._clock.now())
        return Order(
            order_id=new_order_id(now_s, self._rng),
            reference=new_reference(self._rng),
            account_id=session.account_id,
            email=session.email,
            cents=cents,
            currency=request.currency,
            rate=rate,
            credit=self._bounded(credit_of(cents, rate)),
            method=request.method,
            status=OrderStatus.SUBMITTED,
            note=request.note,
            created_s=now_s,
            expires_s=now_s + self.terms.ttl_s,
            times={OrderStatus.SUBMITTED: now_s},
        )

    def _bounded(self, credit: int) -> int:
        if not self.terms.least <= credit <= self.terms.most:
            least, most = nano_to_usd(self.terms.least), nano_to_usd(self.terms.most)
            raise RequestInvalid(f"An order credits {least} to {most} USD, not {nano_to_usd(credit)}.", param="amount")
        return credit

    async def _made_before(self, token_key: str) -> Order | None:
        order_id = await self._access.reliably(lambda: self._access.store.by_token(token_key))
        return await self._access.get(order_id) if order_id else None

    async def _require_room(self, account_id: str) -> None:
        """Against carelessness: the index may be a moment behind, so two orders at once can pass the limit by one."""
        page = await self._access.reliably(lambda: self._access.store.of_account(account_id, OPEN_LOOKED_AT))
        undecided = sum(not order.is_final for order in page.orders)
        if undecided >= self.terms.open_max:
            raise TooManyOrders(f"There are {undecided} open orders already; cancel one, or wait for a decision.")

    async def _put(self, order: Order, token_key: str) -> Order:
        """The order that stands under the token; ours with another reference when that one was taken."""
        for _ in range(REFERENCES_MAX):
            try:
                await self._access.reliably(lambda: self._access.store.create(order, token_key))  # noqa: B023
            except TokenTaken as exc:
                return await self._access.get(exc.order_id)
            except ReferenceTaken:
                order = replace(order, reference=new_reference(self._rng))
                continue
            return order
        raise OrderConflict("No free reference was found.")


def checked_cursor(cursor: str | None) -> str | None:
    """Raises RequestInvalid for what is none of ours."""
    if cursor is not None and not is_order_id(cursor):
        raise RequestInvalid("This cursor is none of this list's.", param="cursor")
    return cursor


def _asked(order: Order) -> Mapping[str, object]:
    return {"cents": order.cents, "currency": order.currency, "method": order.method}


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
