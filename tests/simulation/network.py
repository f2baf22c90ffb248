"""Processes, and the network between them and the outside: where every fault is injected."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeVar

from multiconnection.aws.dynamo import RequestRejected
from multiconnection.aws.dynamo_async import REPLY_TIMEOUT_S
from multiconnection.ledger.dynamo import encode
from multiconnection.ledger.models import UsageRow
from multiconnection.retry import OutcomeUnknown, StoreError, StoreThrottled, StoreUnavailable

from .faults import Fault, Kind, NoFaults, Plan

T = TypeVar("T")


class ProcessDied(BaseException):
    """The process is gone. No code catches it, and every later I/O of the process raises it again."""


class Network:
    """Carries every I/O with a delay drawn from the seed, and delivers what was delayed or repeated."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.injected: Counter[Kind] = Counter()
        # Switched on when only reads are left, whose order does not matter.
        self.instant = False
        self._landing: dict[asyncio.TimerHandle, float] = {}

    async def travel(self) -> None:
        """One way: usually a few milliseconds, sometimes much longer."""
        if self.instant:
            return
        slow = self.rng.random() < 0.02
        await asyncio.sleep(self.rng.uniform(0.1, 1.0) if slow else self.rng.uniform(0.001, 0.02))

    def deliver_later(self, effect: Callable[[], object], later_s: float) -> None:
        loop = asyncio.get_running_loop()

        def land() -> None:
            del self._landing[handle]
            # Refused, perhaps; nobody is there to hear it.
            with suppress(StoreError):
                effect()

        handle = loop.call_later(later_s, land)
        self._landing[handle] = handle.when()

    @property
    def busy(self) -> bool:
        return bool(self._landing)

    async def quiet(self) -> None:
        """Return when what is on its way now has arrived."""
        loop = asyncio.get_running_loop()
        if self._landing:
            await asyncio.sleep(max(self._landing.values()) - loop.time() + 0.001)


@dataclass(slots=True)
class Process:
    """One running function, which may die at any I/O, and all its requests with it."""

    network: Network
    plan: Plan = field(default_factory=NoFaults)
    alive: bool = True
    ios: list[str] = field(default_factory=list)

    async def io(self, name: str, effect: Callable[[], T]) -> T:
        """Send one request; `effect` executes it, at once when it arrives."""
        self._require_alive()
        fault = self.plan.fault(len(self.ios), name)
        self.ios.append(name)
        self.network.injected[fault.kind] += 1
        await self.network.travel()
        self._require_alive()
        answer = await self._deliver(fault, effect)
        await self.network.travel()
        self._require_alive()
        return answer()

    async def work(self, seconds: float) -> None:
        """Time passes in the process, which may have died meanwhile."""
        await asyncio.sleep(seconds)
        self._require_alive()

    def die(self) -> NoReturn:
        self.alive = False
        raise ProcessDied

    def _require_alive(self) -> None:
        if not self.alive:
            raise ProcessDied

    async def _deliver(self, fault: Fault, effect: Callable[[], T]) -> Callable[[], T]:
        kind = fault.kind
        if kind is Kind.CRASH_BEFORE:
            self.die()
        if kind is Kind.REFUSED:
            raise StoreUnavailable("connection refused")
        if kind is Kind.THROTTLED:
            raise StoreThrottled("throttled")
        if kind is Kind.REJECTED:
            raise RequestRejected("access denied")
        if kind in (Kind.DELAYED, Kind.CRASH_DELAYED):
            self.network.deliver_later(effect, fault.later_s)
        answer = None if kind in _NOT_NOW else _outcome(effect)
        if kind is Kind.AGAIN_LATER:
            self.network.deliver_later(effect, fault.later_s)
        if kind in (Kind.TWICE, Kind.TWICE_SECOND_REPLY):
            second = _outcome(effect)
            answer = second if kind is Kind.TWICE_SECOND_REPLY else answer
        if fault.is_crash:
            self.die()
        if answer is None or kind is Kind.REPLY_LOST:
            await asyncio.sleep(REPLY_TIMEOUT_S)
            self._require_alive()
            raise OutcomeUnknown(f"no reply: {kind}")
        return answer


_NOT_NOW = (Kind.LOST, Kind.DELAYED, Kind.CRASH_DELAYED)


def _outcome(effect: Callable[[], T]) -> Callable[[], T]:
    """What came of it, to be told when the reply arrives."""
    try:
        result = effect()
    except StoreError as exc:
        refusal = exc

        def refuse() -> T:
            raise refusal

        return refuse
    return lambda: result


# The account whose request is running, for the rule that a request touches no other.
SERVING: ContextVar[str | None] = ContextVar("serving", default=None)
Execute = Callable[[str, Mapping[str, Any], str | None], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class FaultyDynamo:
    """Implements `Driver` for one process."""

    process: Process
    execute: Execute

    async def call(self, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        account_id = SERVING.get()
        name = f"{operation} {payload['TableName']}" if "TableName" in payload else operation
        return await self.process.io(name, lambda: self.execute(operation, payload, account_id))


@dataclass(frozen=True, slots=True)
class FaultyQueue:
    """Implements `FallbackQueue` for one process; `deliver` takes the message body."""

    process: Process
    deliver: Callable[[str], None]

    def message(self, row: UsageRow) -> str:
        return encode(row)

    async def send(self, row: UsageRow) -> None:
        body = encode(row)
        await self.process.io("SendMessage", lambda: self.deliver(body))
