"""Errors of a store, and bounded repetition of store operations: the same write again, never a new one."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

from .errors import LedgerUnavailable
from .ports import Rng

T = TypeVar("T")
ATTEMPTS_MAX = 5
_FIRST_PAUSE_MS = 80


class StoreError(Exception):
    """Base of what a store can answer instead of a result."""


class StoreThrottled(StoreError):
    """Refused for load; the write did not happen."""


class StoreUnavailable(StoreError):
    """The request was not executed: connection refused, or an error that excludes it."""


class OutcomeUnknown(StoreError):
    """Time-out, lost reply or 5xx: the write may have happened, or may still happen."""


TRANSIENT = (StoreThrottled, StoreUnavailable, OutcomeUnknown)


class Retry:
    """Repeat an operation until it answers; pauses double with full jitter: at most 80, 160, 320, … ms."""

    def __init__(self, rng: Rng, attempts_cap: int | None = None) -> None:
        self._rng = rng
        self._attempts_cap = attempts_cap

    async def __call__(self, operation: Callable[[], Awaitable[T]], attempts_max: int) -> T:
        """Raises the last transient StoreError after `attempts_max`; every other error at once."""
        if self._attempts_cap is not None:
            attempts_max = min(attempts_max, self._attempts_cap)
        last: StoreError | None = None
        for repeat in range(attempts_max):
            if repeat:
                await asyncio.sleep(self._rng.below(_FIRST_PAUSE_MS * 2 ** (repeat - 1)) / 1000)
            try:
                return await operation()
            except TRANSIENT as exc:
                last = exc
        raise last or OutcomeUnknown("no attempt was allowed")


class Reliable:
    """Repeat an operation that may be repeated, and answer the caller 503 with `message` when it keeps failing."""

    def __init__(
        self,
        rng: Rng,
        message: str = "The tables cannot be read or changed at the moment.",
        attempts_max: int = ATTEMPTS_MAX,
    ) -> None:
        self._retry = Retry(rng)
        self._message = message
        self._attempts_max = attempts_max

    async def __call__(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Raises LedgerUnavailable for every StoreError; the operation's other errors pass through."""
        with unavailable_as(self._message):
            return await self._retry(operation, self._attempts_max)


@contextmanager
def unavailable_as(message: str) -> Iterator[None]:
    """Raise LedgerUnavailable with `message` for a StoreError raised inside."""
    try:
        yield
    except StoreError as exc:
        raise LedgerUnavailable(message, retry_after_s=1) from exc


def readable(subject: str) -> AbstractContextManager[None]:
    """The same for a read of `subject`, such as "Your usage"."""
    return unavailable_as(f"{subject} cannot be read at the moment, please try again.")
