"""The charge of a call, however it ended, and its way into the ledger."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from multiconnection.catalog.bounds import cost_nano
from multiconnection.ledger.ledger import Ledger
from multiconnection.ledger.models import Hold, UsageRow
from multiconnection.ledger.settle import Settlement
from multiconnection.money import nano_to_decimal
from multiconnection.ports import Clock
from multiconnection.usage import Attempts, Ended, Failure, Usage

from .requests import PricedCall
from .upstream import Outcome

_ONE_USD_NANO = 10**9


class InFlightCalls:
    """The calls of this process that hold money, so that a process that has to stop can settle them first.

    A call begins after its reserve and ends after its settlement.
    """

    def __init__(self) -> None:
        self._hold_ids: set[str] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    def begin(self, hold_id: str) -> None:
        self._hold_ids.add(hold_id)
        self._idle.clear()

    def end(self, hold_id: str) -> None:
        self._hold_ids.discard(hold_id)
        if not self._hold_ids:
            self._idle.set()

    async def drained(self, timeout_s: float) -> int:
        """Waits until none is in flight; returns how many still are when the time is up (the sweeper ends those)."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            return len(self._hold_ids)
        return 0


@dataclass(frozen=True, slots=True)
class Charge:
    """A call that holds money and must be settled exactly once; `secret` is `ApiKey.digits` of the caller's key."""

    ledger: Ledger
    clock: Clock
    in_flight: InFlightCalls
    call: PricedCall
    hold: Hold
    secret: str
    started_s: float
    attempts: Attempts
    on_settled: Callable[[UsageRow], None]

    def __post_init__(self) -> None:
        self.in_flight.begin(self.hold.hold_id)

    def cost_usd(self, usage: Usage) -> Decimal:
        """The charge for this usage in USD: never more than the hold."""
        return nano_to_decimal(min(self._cost(usage), self.hold.amount))

    async def settle(self, outcome: Outcome) -> Settlement:
        """Decides and applies, to the end even when the request around it is cancelled."""
        self._note_end(outcome)
        return await asyncio.shield(self._settle(outcome))

    async def _settle(self, outcome: Outcome) -> Settlement:
        try:
            settlement = await self.ledger.settle(self.hold, self._row(outcome))
        finally:
            self.in_flight.end(self.hold.hold_id)
        self.on_settled(settlement.row)
        return settlement

    def _note_end(self, outcome: Outcome) -> None:
        """Keeps what went wrong after the first byte, where no status can say it any more."""
        if outcome.error is None:
            return
        code = self.attempts.error_code = outcome.error.metric_code
        if outcome.ended is Ended.MID_STREAM_ERROR:
            latency_ms = int((self.clock.now() - self.started_s) * 1000)
            self.attempts.failures.append(Failure(self.attempts.provider, code, latency_ms))

    def _row(self, outcome: Outcome) -> UsageRow:
        now, call = self.clock.now(), self.call
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
            model=call.model.id,
            price_version=call.model.price_version,
            usage=outcome.usage,
            usage_source=outcome.source,
            ended=outcome.ended,
            decided_by="gateway",
            created_ms=int(now * 1000),
            provider=self.attempts.provider,
            attempts=self.attempts.count,
            endpoint=call.endpoint,
            streamed=call.streamed,
            duration_ms=int((now - self.started_s) * 1000),
            markup_basis_points=call.bound.markup_basis_points,
            secret=self.secret,
        )

    def _cost(self, usage: Usage) -> int:
        return cost_nano(self.call.model, usage, self.call.bound.markup_basis_points)


def charged_members(row: UsageRow) -> Mapping[str, object]:
    """Members of the metrics line of a settled call."""
    return {
        "TokensIn": row.usage.prompt_tokens,
        "TokensOut": row.usage.completion_tokens,
        "CostUsd": row.cost / _ONE_USD_NANO,
        "model": row.model,
        "key_id": row.key_id,
        "attempts": row.attempts,
        "ended": row.ended.value,
        "usage_source": row.usage_source.value,
        "streamed": row.streamed,
        "duration_ms": row.duration_ms,
    }
