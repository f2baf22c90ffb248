"""The usage row of a call, however it ended, and its way into the ledger."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from multiconnection.catalog.bounds import cost_nano
from multiconnection.catalog.models import Model
from multiconnection.ledger.ledger import Ledger
from multiconnection.ledger.models import Hold, UsageRow
from multiconnection.ledger.settle import Settlement
from multiconnection.money import nano_to_usd
from multiconnection.ports import Clock
from multiconnection.usage import Attempts, Ended, Failure, Usage

from .upstream import Outcome

# The calls of this process that hold money right now, so that a process told to stop can settle them first.


class OpenBills:
    """Opened after a reserve, closed after its settlement."""

    def __init__(self) -> None:
        self._open: set[str] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    def opened(self, hold_id: str) -> None:
        self._open.add(hold_id)
        self._idle.clear()

    def closed(self, hold_id: str) -> None:
        self._open.discard(hold_id)
        if not self._open:
            self._idle.set()

    async def drained(self, timeout_s: float) -> int:
        """Wait until none is open; returns how many still are when the time is up (the sweeper ends those)."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            return len(self._open)
        return 0


@dataclass(frozen=True, slots=True)
class Bill:
    """A call that holds money and must be settled exactly once; `secret` is `ApiKey.digits` of the caller's."""

    ledger: Ledger
    clock: Clock
    hold: Hold
    secret: str
    model: Model
    markup_basis_points: int
    endpoint: str
    streamed: bool
    started_s: float
    attempts: Attempts
    on_settled: Callable[[UsageRow], None]
    open_bills: OpenBills

    def __post_init__(self) -> None:
        self.open_bills.opened(self.hold.hold_id)

    def cost_usd(self, usage: Usage) -> str:
        """What this usage will be charged: never more than the hold."""
        return nano_to_usd(min(self._cost(usage), self.hold.amount))

    async def settle(self, outcome: Outcome) -> Settlement:
        """Decide and apply, to the end even when the request around it is cancelled."""
        self._note_end(outcome)
        return await asyncio.shield(self._settle(outcome))

    async def _settle(self, outcome: Outcome) -> Settlement:
        try:
            settlement = await self.ledger.settle(self.hold, self._row(outcome))
        finally:
            self.open_bills.closed(self.hold.hold_id)
        self.on_settled(settlement.row)
        return settlement

    def _note_end(self, outcome: Outcome) -> None:
        """What went wrong after the first byte, where no status can tell it any more."""
        if outcome.error is None:
            return
        code = self.attempts.error_code = outcome.error.metric_code
        if outcome.ended is Ended.MID_STREAM_ERROR:
            latency_ms = int((self.clock.now() - self.started_s) * 1000)
            self.attempts.failures.append(Failure(self.attempts.provider, code, latency_ms))

    def _row(self, outcome: Outcome) -> UsageRow:
        now = self.clock.now()
        cost = self._cost(outcome.usage)
        claimed = cost if outcome.disbelieved is None else self._cost(outcome.disbelieved)
        return UsageRow(
            account_id=self.hold.account_id,
            hold_id=self.hold.hold_id,
            birth=self.hold.birth,
            hold=self.hold.amount,
            cost=cost,
            overrun=max(0, claimed - cost),
            key_id=self.hold.key_id,
            model=self.model.id,
            price_version=self.model.price_version,
            usage=outcome.usage,
            usage_source=outcome.source,
            ended=outcome.ended,
            decided_by="gateway",
            created_ms=int(now * 1000),
            provider=self.attempts.provider,
            attempts=self.attempts.count,
            endpoint=self.endpoint,
            streamed=self.streamed,
            duration_ms=int((now - self.started_s) * 1000),
            markup_basis_points=self.markup_basis_points,
            secret=self.secret,
        )

    def _cost(self, usage: Usage) -> int:
        return cost_nano(self.model, usage, self.markup_basis_points)
