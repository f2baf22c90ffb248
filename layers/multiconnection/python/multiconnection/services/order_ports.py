"""What orders need from the outside: their table, the workflow that waits for a decision, and notices to people."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from multiconnection.domain.orders import Order, OrderStatus, Receipt


class OrderRefused(Exception):
    """A condition on the order failed; `order` is the order at that moment, None when there is none."""

    def __init__(self, order: Order | None) -> None:
        super().__init__("a condition on the order failed")
        self.order = order


class TokenTaken(Exception):
    """The account used this client token before, for the order `order_id`."""

    def __init__(self, order_id: str) -> None:
        super().__init__("the client token was used before")
        self.order_id = order_id


class ReferenceTaken(Exception):
    """Another order has this reference."""


class WorkflowUnavailable(Exception):
    """The workflow service did not do it, or nobody knows; it may be asked again."""


class NoticeFailed(Exception):
    """The notice was not sent, or nobody knows."""


@dataclass(frozen=True, slots=True)
class OrderPage:
    """`after` continues the list; None at its end."""

    orders: tuple[Order, ...]
    after: str | None


@dataclass(frozen=True, slots=True)
class Notice:
    """A message to a person; `to` None is all administrators. `facts` are for programs that read notices."""

    kind: str
    to: str | None
    subject: str
    text: str = field(repr=False)
    facts: Mapping[str, str] = field(default_factory=dict)


class OrderStore(Protocol):
    """Each method is one round trip and may be repeated; each raises StoreError as well."""

    async def create(self, order: Order, token_key: str) -> None:
        """Raises TokenTaken or ReferenceTaken."""

    async def by_token(self, token_key: str) -> str | None:
        """The id of the order made under a client token; strongly consistent."""

    async def get(self, order_id: str) -> Order | None:
        """Strongly consistent."""

    async def of_account(self, account_id: str, limit: int, after: str | None = None) -> OrderPage:
        """Newest first; eventually consistent."""

    async def with_status(
        self, status: OrderStatus, limit: int, after: str | None = None, newest_first: bool = False
    ) -> OrderPage:
        """Oldest first unless told otherwise; eventually consistent."""

    async def transition(
        self, order: Order, to: OrderStatus, at_s: int, changes: Mapping[str, str | int] | None = None
    ) -> Order:
        """The order after it; its amount and owner are those of `order`. Raises OrderRefused."""

    async def set_receipt(self, order: Order, receipt: Receipt) -> Order:
        """Raises OrderRefused when the order is not open."""

    async def mark_announced(self, order: Order, at_s: int) -> Order:
        """The administrators have been told."""

    async def mark_notified(self, order: Order, at_s: int) -> Order:
        """The user has been told how it ended; the task token is forgotten."""

    async def next_run(self, order: Order) -> Order:
        """Raises OrderRefused when another has raised the number since `order` was read."""


class Workflow(Protocol):
    """Executions of the state machine; each is the `run`-th one of an order."""

    async def start(self, order_id: str, run: int) -> None:
        """Returns also when it was started before. Raises WorkflowUnavailable."""

    async def wake(self, token: str) -> bool:
        """End the wait under this token; False when nobody waits under it. Raises WorkflowUnavailable."""

    async def is_running(self, order_id: str, run: int) -> bool | None:
        """None: it was never started. Raises WorkflowUnavailable."""


class Notices(Protocol):
    async def send(self, notice: Notice) -> None:
        """Raises NoticeFailed."""
