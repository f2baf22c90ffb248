"""Bounded repetition of ledger operations: the same write again, never a new one."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from multiconnection.domain.ports import Rng

from .store import OutcomeUnknown, StoreError, StoreThrottled, StoreUnavailable

T = TypeVar("T")
TRANSIENT = (StoreThrottled, StoreUnavailable, OutcomeUnknown)
_FIRST_PAUSE_MS = 40


class Retry:
    """Runs an operation until it answers; pauses double with full jitter: 40, 80, 160, … ms at most."""

    def __init__(self, rng: Rng, attempts_cap: int | None = None) -> None:
        self._rng = rng
        self._attempts_cap = attempts_cap

    async def __call__(self, operation: Callable[[], Awaitable[T]], attempts_max: int) -> T:
        """Raises the last transient StoreError after `attempts_max`; every other error at once."""
        if self._attempts_cap is not None:
            attempts_max = min(attempts_max, self._attempts_cap)
        last: StoreError | None = None
        for attempt in range(attempts_max):
            if attempt:
                await asyncio.sleep(self._rng.below(_FIRST_PAUSE_MS * 2**attempt) / 1000)
            try:
                return await operation()
            except TRANSIENT as exc:
                last = exc
        raise last or OutcomeUnknown("no attempt was allowed")
