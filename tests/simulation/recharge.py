"""A recharge under faults: users, administrators, the workflow's functions and the repair, each of which may fail."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from multiconnection.aws.dynamo import Driver
from multiconnection.errors import GatewayError, LedgerUnavailable
from multiconnection.identity.models import Session
from multiconnection.ledger.dynamo import DynamoStore
from multiconnection.orders.decisions import OrderDecisions
from multiconnection.orders.models import Notice, NoticeFailed, Order, WorkflowUnavailable, execution_name
from multiconnection.orders.receipts import receipt_url
from multiconnection.orders.service import OrderAccess, OrderService
from multiconnection.orders.store import OrderCredits, OrdersTable
from multiconnection.orders.workflow import OrderRepair, RechargeSteps
from multiconnection.retry import StoreError
from tests.support.asl import TaskFailed
from tests.support.fake_objects import FakeObjects
from tests.support.fake_workflow import Engine
from tests.support.orders_world import ADMIN, AUDIT, AUDIT_KEYS, TERMS, USER, audit_table, request
from tools.memory_dynamo.driver import MemoryDynamo

from .audit import ORDERS
from .faults import NoFaults, Plan
from .network import Process, ProcessDied
from .verdict import Verdict, verdict
from .world import LEDGER_TABLES, World, survive

TTL_S = 3600
T = TypeVar("T")
LAMBDA_FAILED = "Lambda.Unknown"
ASKED = {"amount": "100"}
DECIDES_AFTER_S = 300.0
REPAIR_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class FaultyWorkflow:
    """Implements `Workflow` for one process."""

    process: Process
    engine: Engine

    async def start(self, order_id: str, run: int) -> None:
        await self._io("StartExecution", lambda: self.engine.start(execution_name(order_id, run), order_id))

    async def wake(self, token: str) -> bool:
        woken: bool = await self._io("SendTaskSuccess", lambda: self.engine.waits.wake(token))
        return woken

    async def is_running(self, order_id: str, run: int) -> bool | None:
        name = execution_name(order_id, run)
        status = await self._io("DescribeExecution", lambda: self.engine.statuses.get(name))
        return None if status is None else status == "RUNNING"

    async def _io(self, name: str, effect: Callable[[], Any]) -> Any:
        try:
            return await self.process.io(name, effect)
        except StoreError as exc:
            raise WorkflowUnavailable(str(exc)) from exc


@dataclass(frozen=True, slots=True)
class FaultyNotices:
    """Implements `Notices` for one process."""

    process: Process
    sent: list[Notice]

    async def send(self, notice: Notice) -> None:
        try:
            await self.process.io("Publish", lambda: self.sent.append(notice))
        except StoreError as exc:
            raise NoticeFailed(str(exc)) from exc


@dataclass
class Recharge:
    """Create it inside of a simulation. `step_plan` is asked anew for each run of a function of the workflow."""

    world: World
    step_plan: Callable[[int, str], Plan] = lambda number, step: NoFaults()
    state_machine_plan: Plan = field(default_factory=NoFaults)
    repair_plan: Plan = field(default_factory=NoFaults)
    sent: list[Notice] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    ios: list[list[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        machine = self.world.process(self.state_machine_plan)
        self.engine = Engine(ORDERS, lambda: self.world.driver(machine), self._invoke, TTL_S)
        self.world.open_account(USER.account_id, 0)

    def user(self, plan: Plan) -> OrderService:
        """A user's orders in a process of its own."""
        access, _ = self._access(plan)
        return OrderService(access, TERMS)

    def admin(self, plan: Plan) -> OrderDecisions:
        """The decisions in a process of its own; its audit log does not fail."""
        access, driver = self._access(plan)
        log = audit_table(MemoryDynamo({AUDIT: AUDIT_KEYS}), self.world.clock)
        objects = FakeObjects(self.world.clock)
        return OrderDecisions(access, DynamoStore(driver, LEDGER_TABLES), partial(receipt_url, objects), log)

    def _access(self, plan: Plan) -> tuple[OrderAccess, Driver]:
        process = self.world.process(plan)
        self.ios.append(process.ios)
        driver, workflow = self.world.driver(process), FaultyWorkflow(process, self.engine)
        table = OrdersTable(driver, ORDERS)
        return OrderAccess(table, workflow, self.world.alarms, self.world.clock, self.world.ids), driver

    async def create(self, *plans: Plan) -> Order:
        """The user clicks until there is an answer."""
        made, _ = await self._insist(lambda plan: self.user(plan).create(USER, request(**ASKED)), plans)
        return made

    async def approve(self, order: Order, *plans: Plan, admin: Session = ADMIN) -> Order:
        """Raises the refusal that the administrator is told."""
        return await self._insist(
            lambda plan: self.admin(plan).approve(admin, order.order_id, "100.00", USER.account_id), plans
        )

    async def reject(self, order: Order, *plans: Plan, admin: Session) -> Order:
        return await self._insist(lambda plan: self.admin(plan).reject(admin, order.order_id, "no"), plans)

    async def cancel(self, order: Order, *plans: Plan) -> Order:
        return await self._insist(lambda plan: self.user(plan).cancel(USER.account_id, order.order_id), plans)

    async def _insist(self, click: Callable[[Plan], Awaitable[T]], plans: Sequence[Plan]) -> T:
        for plan in (*plans, NoFaults()):
            try:
                return await click(plan)
            except (LedgerUnavailable, ProcessDied):
                continue
        raise AssertionError("no click was answered")

    async def keep_repairing(self, until_s: float) -> None:
        """As the sweeper's schedule does."""
        loop = asyncio.get_running_loop()
        while loop.time() < until_s:
            await asyncio.sleep(REPAIR_EVERY_S)
            await self.repair(self.repair_plan)

    async def repair(self, plan: Plan) -> None:
        process = self.world.process(plan)
        table, workflow = OrdersTable(self.world.driver(process), ORDERS), FaultyWorkflow(process, self.engine)
        await survive(OrderRepair(table, workflow, self.world.alarms, self.world.clock, TTL_S).repair_orders())

    async def _invoke(self, payload: dict[str, Any]) -> Any:
        """The recharge function: a process of its own for every step."""
        process = self.world.process(self.step_plan(len(self.steps), payload["step"]))
        driver = self.world.driver(process)
        self.steps.append(payload["step"])
        self.ios.append(process.ios)
        steps = RechargeSteps(
            OrdersTable(driver, ORDERS),
            OrderCredits(DynamoStore(driver, LEDGER_TABLES), ORDERS),
            FaultyNotices(process, self.sent),
            self.world.alarms,
            self.world.clock,
            self.world.ids,
        )
        try:
            return await steps.run(payload["step"], payload["order_id"])
        except (StoreError, NoticeFailed, ProcessDied) as exc:
            raise TaskFailed(LAMBDA_FAILED) from exc

    async def verdict(self) -> Verdict:
        """At rest, after the repair has had its time without faults: no order is open, and the books are right."""
        for _ in range(3):
            await self.world.rest()
            await asyncio.sleep(2 * REPAIR_EVERY_S)
            await self.repair(NoFaults())
        found = await verdict(self.world)
        stuck = [
            f"stuck: {order_id} is {item['status']['S']}, notified {'notified_s' in item}"
            for order_id, item in self.world.auditor.orders.items.items()
            if "notified_s" not in item
        ]
        return found + Verdict(violations=tuple(stuck))


async def told(work: Awaitable[Order]) -> Order | GatewayError:
    """What a person is told: the order, or a refusal."""
    try:
        return await work
    except GatewayError as exc:
        return exc
