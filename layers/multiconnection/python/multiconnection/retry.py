"""Bounded repetition of ledger operations: the same write again, never a new one."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from .errors import LedgerUnavailable
from .ports import Rng

T = TypeVar("T")


class StoreError(Exception):
    """Base of what a store can answer instead of a result."""


class StoreThrottled(StoreError):
    """Refused for load; the write did not happen."""


class StoreUnavailable(StoreError):
    """The request was not executed: connection refused, or an error that excludes it."""


class OutcomeUnknown(StoreError):
    """Time-out, lost reply or 5xx: the write may have happened, or may still happen."""


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


# What the administrators' services share: bounded repetition of table operations.

ATTEMPTS_MAX = 5


class Reliable:
    """Calls an operation until it answers; every write here may be repeated."""

    def __init__(self, rng: Rng) -> None:
        self._retry = Retry(rng)

    async def __call__(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Raises LedgerUnavailable, and whatever else the operation raises."""
        try:
            return await self._retry(operation, ATTEMPTS_MAX)
        except StoreError as exc:
            raise LedgerUnavailable("The tables cannot be read or changed at the moment.", retry_after_s=1) from exc


@contextmanager
def readable(what: str) -> Iterator[None]:
    try:
        yield
    except StoreError as exc:
        raise LedgerUnavailable(f"{what} cannot be read at the moment, please try again.", retry_after_s=1) from exc
