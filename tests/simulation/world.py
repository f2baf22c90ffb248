"""One simulated deployment: tables, network, fallback queue, sweepers; and the verdict when all is at rest."""

import asyncio
import random
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from multiconnection.ids import new_hold_id
from multiconnection.keys.models import ApiKey
from multiconnection.keys.service import KeyService
from multiconnection.keys.store import KeysTable
from multiconnection.ledger import items as ledger_items
from multiconnection.ledger.dynamo import DynamoStore, LedgerTables, decode
from multiconnection.ledger.jobs import Maintenance
from multiconnection.ledger.ledger import Ledger, Margins
from multiconnection.ledger.models import AccountLimits, CreditRow
from multiconnection.ledger.settle import Settlement
from multiconnection.retry import StoreError
from tests.support.virtual_time import START_S
from tools.memory_dynamo.driver import MemoryDynamo

from .at_once import AtOnce, at_once
from .audit import BALANCES, CREDITS, KEYS, TABLES, USAGE, Auditor
from .faults import NoFaults, Plan
from .mailbox import Deliveries, Mailbox
from .network import FaultyDynamo, FaultyQueue, Network, Process, ProcessDied

T = TypeVar("T")
LEDGER_TABLES = LedgerTables(BALANCES, USAGE, CREDITS)
IN_FLIGHT_MAX = 256
DEADLINE_S = 60
MARGINS = Margins(hold_s=120, sweep_s=60)
DELIVERIES = Deliveries()
# Alarms that mean wrong books; the others report faults that the ledger has survived.
_DEADLY = {"invariant_breached", "freeze_failed", "drift", "fallback_message_unreadable"}


@dataclass(frozen=True, slots=True)
class SkewedClock:
    """The clock of one machine, `skew_s` ahead of the world's."""

    skew_s: float = 0.0

    def now(self) -> float:
        return START_S + asyncio.get_running_loop().time() + self.skew_s


@dataclass(frozen=True, slots=True)
class SeededRng:
    random: random.Random

    def below(self, bound: int) -> int:
        return self.random.randrange(bound)


@dataclass(slots=True)
class Alarms:
    raised: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def alarm(self, name: str, **context: object) -> None:
        self.raised.append((name, context))

    def names(self) -> list[str]:
        return [name for name, _ in self.raised]


@dataclass(slots=True)
class CallRecord:
    """What the world knows of one call: its true cost once the upstream was asked, and what the gateway made of it."""

    cost: int | None = None
    refusal: str | None = None
    settlement: Settlement | None = None


async def model_name(code: str) -> str:
    return code


async def survive(work: Coroutine[Any, Any, T]) -> T | None:
    """A worker's run, which may fail or die with its process; the next one comes anyway."""
    try:
        return await work
    except (StoreError, ProcessDied):
        return None


class World:
    """Create it on a running VirtualLoop. Whatever runs in it is started with `spawn`."""

    def __init__(
        self,
        seed: int,
        *,
        in_flight_max: int = IN_FLIGHT_MAX,
        deadline_s: int = DEADLINE_S,
        margins: Margins = MARGINS,
        deliveries: Deliveries = DELIVERIES,
    ) -> None:
        self.rng = random.Random(seed)
        self.tables = MemoryDynamo(TABLES)
        self.auditor = Auditor(self.tables, in_flight_max)
        self.network = Network(self.rng)
        self.alarms = Alarms()
        self.clock = SkewedClock()
        self.ids = SeededRng(self.rng)
        self.in_flight_max = in_flight_max
        self.deadline_s = deadline_s
        self.margins = margins
        self.mailbox = Mailbox(self.rng, self._replay, deliveries)
        self.calls: dict[tuple[str, str], CallRecord] = {}
        self.consumer_plan: Plan = NoFaults()
        self._tasks: set[asyncio.Task[Any]] = set()
        asyncio.get_running_loop().set_exception_handler(self._unhandled)

    def process(self, plan: Plan | None = None) -> Process:
        return Process(self.network, plan or NoFaults())

    def driver(self, process: Process) -> FaultyDynamo:
        return FaultyDynamo(process, self.auditor.execute)

    def ledger(self, process: Process, skew_s: float = 0.0) -> Ledger:
        return Ledger(
            store=DynamoStore(self.driver(process), LEDGER_TABLES),
            queue=FaultyQueue(process, self.mailbox.put),
            alarms=self.alarms,
            clock=SkewedClock(skew_s),
            rng=self.ids,
            model_name=model_name,
            margins=self.margins,
        )

    def maintenance(self, process: Process, skew_s: float = 0.0) -> Maintenance:
        return Maintenance(self.ledger(process, skew_s), SkewedClock(skew_s), self.alarms)

    def admin(self) -> Ledger:
        """A ledger whose process meets no faults."""
        return self.ledger(self.process())

    def new_hold_id(self) -> str:
        return new_hold_id(int(self.clock.now()), self.ids)

    def open_account(self, account_id: str, funds: int, limits: AccountLimits | None = None) -> None:
        """At once, as it was before the simulation began."""
        created_s = int(self.clock.now())
        request = ledger_items.create(BALANCES, account_id, "", created_s, limits or AccountLimits())
        self.auditor.execute("PutItem", request)
        if funds:
            row = CreditRow(account_id, "opening", funds, "grant", "", "world", created_s * 1000)
            at_once(DynamoStore(AtOnce(self.auditor), LEDGER_TABLES).credit(row))

    def open_key(self, account_id: str, budget: int | None = None) -> tuple[ApiKey, str]:
        """A key and its secret; at once, like `open_account`."""
        driver = AtOnce(self.auditor)
        service = KeyService(
            KeysTable(driver, KEYS, BALANCES), DynamoStore(driver, LEDGER_TABLES), self.clock, self.ids
        )
        return at_once(service.issue(account_id, "key", budget_nano=budget))

    def expiry_s(self) -> int:
        """Of a hold taken now."""
        return int(self.clock.now() + self.deadline_s + self.margins.hold_s)

    def call(self, account_id: str, hold_id: str) -> CallRecord:
        return self.calls.setdefault((account_id, hold_id), CallRecord())

    async def settled(self, record: CallRecord, settling: Coroutine[Any, Any, Settlement]) -> None:
        """Note what came of a settlement, which the caller's answer may wait for: not longer than was promised."""
        began_s = self.clock.now()
        record.settlement = await settling
        took_s = self.clock.now() - began_s
        if took_s > self.margins.settle_s + 0.001:
            self.auditor.violations.append(f"liveness: a settlement took {took_s:.3f} s")

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        return task

    async def rest(self) -> None:
        """Return when every request has ended and every delayed write and message has arrived."""
        while True:
            here = asyncio.current_task()
            # Also what a shield keeps running after its request was cancelled.
            running = [task for task in asyncio.all_tasks() if task is not here]
            if not running and not self.network.busy:
                break
            if running:
                await asyncio.wait(running)
            await self.network.quiet()
        self._raise_bugs()

    async def sweep(self, skew_s: float = 0.0, plan: Plan | None = None) -> None:
        """One run of the sweeper over the accounts of the index; it may die."""
        await survive(self.maintenance(self.process(plan), skew_s).sweep_active())

    async def _replay(self, body: str) -> bool:
        """One delivery of a message from the queue; False when it must come again."""
        worker = self.maintenance(self.process(self.consumer_plan))
        done = await survive(worker.replay("message", body, decode)) is True
        row = decode(body)
        if done and self.auditor.row(row.account_id, row.hold_id) is None:
            self.auditor.violations.append(f"I7: the message about {row.hold_id} was taken and nothing is decided")
        return done

    def deadly_alarms(self) -> list[str]:
        return [f"alarm {name}: {context}" for name, context in self.alarms.raised if name in _DEADLY]

    def _unhandled(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What a task left behind that nobody waited for: right for a dead process, wrong for anything else."""
        if not isinstance(context.get("exception"), ProcessDied):
            self.auditor.violations.append(f"unhandled: {context}")

    def _raise_bugs(self) -> None:
        """Whatever ended with an exception that is neither a crash nor a cancellation."""
        for task in self._tasks:
            if not task.cancelled() and (exc := task.exception()) and not isinstance(exc, ProcessDied):
                raise exc
        self._tasks.clear()
