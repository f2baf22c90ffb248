"""What the administrators' services share: bounded repetition of table operations."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from multiconnection.domain.errors import LedgerUnavailable
from multiconnection.domain.ports import Rng
from multiconnection.ledger.retry import Retry
from multiconnection.ledger.store import StoreError

T = TypeVar("T")
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
