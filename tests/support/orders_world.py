"""Recharge orders with everything around them: tables, workflow, notices, audit log, people."""

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from multiconnection.audit.log import AuditEntries, AuditEntry, AuditFilter, AuditTable, AuditTrail
from multiconnection.aws.dynamo import Driver
from multiconnection.identity.models import Session
from multiconnection.ledger.dynamo import DynamoStore, LedgerTables
from multiconnection.ledger.ledger import Ledger, Margins
from multiconnection.ledger.models import Account, AccountLimits
from multiconnection.money import NANO_PER_USD
from multiconnection.orders.decisions import OrderDecisions
from multiconnection.orders.models import Notice, NoticeFailed, Order, OrderTerms
from multiconnection.orders.receipts import ReceiptService, receipt_url
from multiconnection.orders.schemas import OrderBody
from multiconnection.orders.service import OrderAccess, OrderService
from multiconnection.orders.store import OrderCredits, OrdersTable
from multiconnection.orders.workflow import OrderRepair, RechargeSteps
from multiconnection.ports import Clock
from multiconnection.retry import Reliable
from tests.support.asl import TaskFailed
from tests.support.fake_objects import FakeObjects
from tests.support.fake_workflow import Engine, FakeWorkflow
from tests.support.limit_world import SeededRng, WatchedDriver
from tests.support.order_keys import ORDER_KEYS
from tests.support.virtual_time import LoopClock
from tools.memory_dynamo.driver import MemoryDynamo, TableKeys

AUDIT_KEYS = TableKeys("audit_month", "entry_id")
ORDERS, BALANCES, USAGE, CREDITS, AUDIT = "Orders", "Balances", "Usage", "Credits", "Audit"
TABLES = {
    ORDERS: ORDER_KEYS,
    BALANCES: TableKeys("account_id"),
    USAGE: TableKeys("account_id", "request_id"),
    CREDITS: TableKeys("account_id", "credit_id"),
    AUDIT: AUDIT_KEYS,
}
TTL_S = 3600
TERMS = OrderTerms(
    rates={"USD": NANO_PER_USD, "SGD": 740_000_000, "EUR": 1_080_000_000},
    least=5 * NANO_PER_USD,
    most=1000 * NANO_PER_USD,
    ttl_s=TTL_S,
    open_max=3,
)
USER = Session("acct_user", "user@example.com", "User", False, "u-1")
OTHER = Session("acct_other", "other@example.com", "Other", False, "u-2")
ADMIN = Session("acct_admin", "admin@example.com", "Admin", True, "u-3")
SECOND_ADMIN = Session("acct_second", "second@example.com", "Second", True, "u-4")


@dataclass
class Mailbox:
    """Implements `Notices`."""

    sent: list[Notice] = field(default_factory=list)
    down: bool = False

    async def send(self, notice: Notice) -> None:
        if self.down:
            raise NoticeFailed("no mail today")
        self.sent.append(notice)

    @property
    def kinds(self) -> list[str]:
        return [notice.kind for notice in self.sent]


@dataclass
class Alarms:
    raised: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def alarm(self, name: str, **context: object) -> None:
        self.raised.append((name, context))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.raised]


class NoQueue:
    def message(self, row: object) -> str:
        raise AssertionError("orders queue nothing")

    async def send(self, row: object) -> None:
        raise AssertionError("orders queue nothing")


async def model_name(code: str) -> str:
    return code


class OrdersWorld:
    """Create it on a running VirtualLoop, whose time is the clock's and the workflow's."""

    def __init__(self, ttl_s: int = TTL_S, objects: type[FakeObjects] = FakeObjects) -> None:
        self.tables = MemoryDynamo(TABLES)
        self.clock, self.rng = LoopClock(), SeededRng(1)
        self.mailbox, self.alarms, self.objects = Mailbox(), Alarms(), objects(self.clock)
        self.log_driver = WatchedDriver(self.tables)
        self.log = audit_table(self.log_driver, self.clock)
        self.store = OrdersTable(self.tables, ORDERS)
        store = DynamoStore(self.tables, LedgerTables(BALANCES, USAGE, CREDITS))
        self.ledger = Ledger(
            store,
            NoQueue(),
            self.alarms,
            self.clock,
            self.rng,
            model_name,
            Margins(),
        )
        self.engine = Engine(ORDERS, lambda: self.tables, self.invoke, ttl_s)
        self.workflow = FakeWorkflow(self.engine)
        self.access = OrderAccess(self.store, self.workflow, self.alarms, self.clock, self.rng)
        self.orders = OrderService(self.access, TERMS)
        self.receipts = ReceiptService(self.access, self.orders, self.objects)
        self.decisions = OrderDecisions(self.access, self.ledger.store, partial(receipt_url, self.objects), self.log)
        self.steps = RechargeSteps(
            self.store, OrderCredits(store, ORDERS), self.mailbox, self.alarms, self.clock, self.rng
        )
        self.repair = OrderRepair(self.store, self.workflow, self.alarms, self.clock, TTL_S)

    async def open_account(self, session: Session = USER) -> None:
        await self.ledger.create_account(session.account_id, session.name, AccountLimits())

    async def submitted(self, name: str = "client-token", **asked: Any) -> Order:
        """A new order, before its workflow has done anything."""
        order, _ = await self.orders.create(USER, request(name, **asked))
        return order

    async def in_review(self, name: str = "client-token", **asked: Any) -> Order:
        order = await self.submitted(name, **asked)
        return await self.settled(order)

    async def approved(self, order: Order, admin: Session = ADMIN) -> Order:
        return await self.decisions.approve(admin, order.order_id, "100.00", USER.account_id)

    async def settled(self, order: Order) -> Order:
        """The order when every execution has ended or waits for a decision."""
        await self.engine.settled()
        return await self.read(order)

    async def read(self, order: Order) -> Order:
        found = await self.store.get(order.order_id)
        assert found is not None
        return found

    async def logged(self) -> list[AuditEntry]:
        """The audit log, oldest first."""
        trail = AuditTrail(self.log, Reliable(self.rng), self.clock)
        return list(reversed((await trail.page(None, AuditFilter(), 100)).entries))

    async def image(self, account_id: str = USER.account_id) -> Account:
        image = await self.ledger.store.account(account_id)
        assert image is not None
        return image

    async def invoke(self, payload: dict[str, Any]) -> Any:
        """The recharge function."""
        try:
            return await self.steps.run(payload["step"], payload["order_id"])
        except (NoticeFailed, RuntimeError) as exc:
            raise TaskFailed(type(exc).__name__) from exc

    async def stop(self) -> None:
        """Executions that still wait end with the test."""
        self.engine.die()
        await asyncio.gather(*self.engine.tasks, return_exceptions=True)


def audit_table(driver: Driver, clock: Clock) -> AuditTable:
    return AuditTable(driver, AUDIT, AuditEntries(clock, SeededRng(2)))


def request(name: str = "client-token", **asked: Any) -> OrderBody:
    """Not validated, so that the service is seen to refuse what is wrong."""
    body = {"amount": "100", "currency": "USD", "method": "bank_transfer", "client_token": name}
    return OrderBody.model_construct(**body | asked)
