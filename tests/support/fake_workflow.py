"""Step Functions without AWS: executions of the deployed ASL file as tasks of the running loop."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from multiconnection.aws.dynamo import ConditionFailed, Driver
from multiconnection.orders.models import WorkflowUnavailable, execution_name
from multiconnection.retry import StoreError
from tests.support.asl import ExecutionFailed, Invoke, Machine, TaskFailed, Waits, load

ASL = Path(__file__).parents[2] / "functions" / "recharge" / "workflow.asl.json"
CONDITION_FAILED = "DynamoDb.ConditionalCheckFailedException"
NO_ANSWER = "DynamoDb.SdkClientException"


@dataclass
class Engine:
    """All executions; `statuses` by name, as DescribeExecution tells them."""

    table: str
    driver: Callable[[], Driver]
    invoke: Invoke
    ttl_s: int
    statuses: dict[str, str] = field(default_factory=dict)
    waits: Waits = field(default_factory=Waits)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self, name: str, order_id: str) -> None:
        """A name is used once, as for 90 days on AWS."""
        if name in self.statuses:
            return
        self.statuses[name] = "RUNNING"
        self.tasks.append(asyncio.ensure_future(self._run(name, order_id)))

    async def _run(self, name: str, order_id: str) -> None:
        names = {"OrdersTable": self.table, "RechargeFunctionArn": "recharge", "OrderTtlSeconds": self.ttl_s}
        machine = Machine(load(ASL, names), self.invoke, self._update_item, self.waits)
        try:
            await machine.run({"order_id": order_id})
        except ExecutionFailed:
            self.statuses[name] = "FAILED"
        else:
            self.statuses[name] = "SUCCEEDED"

    async def _update_item(self, arguments: dict[str, Any]) -> None:
        try:
            await self.driver().call("UpdateItem", arguments)
        except ConditionFailed as exc:
            raise TaskFailed(CONDITION_FAILED) from exc
        except StoreError as exc:
            raise TaskFailed(NO_ANSWER) from exc

    async def settled(self) -> None:
        """Return when every execution has ended or waits for a decision."""
        # Virtual time: looking again costs nothing.
        while any(not task.done() for task in self.tasks) and not self._all_wait():  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    def _all_wait(self) -> bool:
        running = sum(not task.done() for task in self.tasks)
        return running == sum(not event.is_set() for event in self.waits.open.values())

    def die(self) -> None:
        """Every execution ends as when the service loses it."""
        for task in self.tasks:
            task.cancel()
        self.statuses = {name: "FAILED" if status == "RUNNING" else status for name, status in self.statuses.items()}
        self.waits.open.clear()


@dataclass
class FakeWorkflow:
    """Implements `Workflow` on an engine; `down` makes every call fail."""

    engine: Engine
    down: bool = False
    woken: list[str] = field(default_factory=list)

    async def start(self, order_id: str, run: int) -> None:
        self._require_up()
        self.engine.start(execution_name(order_id, run), order_id)

    async def wake(self, token: str) -> bool:
        self._require_up()
        self.woken.append(token)
        return self.engine.waits.wake(token)

    async def is_running(self, order_id: str, run: int) -> bool | None:
        self._require_up()
        status = self.engine.statuses.get(execution_name(order_id, run))
        return None if status is None else status == "RUNNING"

    def _require_up(self) -> None:
        if self.down:
            raise WorkflowUnavailable("the workflow service is down")
