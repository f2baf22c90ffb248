"""How often one account's pages may ask: counted apart from its API calls, which have limits of their own."""

from collections.abc import Callable
from dataclasses import dataclass

from multiconnection.domain.errors import RateLimited
from multiconnection.domain.ports import Clock

from .limit_store import LimitStore
from .limiter import Limiter

REQUESTS_PER_MINUTE = 600
# Those that read up to fifty thousand rows, or all of a year.
HEAVY_PER_MINUTE = 60


@dataclass(frozen=True, slots=True)
class _Rates:
    """The limiter's rate for one subject; it asks for the others and never uses them here."""

    ip_requests_per_minute: int
    ip_failed_auth_per_minute: int = 1
    account_requests_per_minute: int = 1
    account_tokens_per_minute: int = 1


class ConsoleQuota:
    """Lazy far below the limit, exact near it, as the limiter's other subjects are; open while the store fails."""

    def __init__(self, store: LimitStore, clock: Clock, on_error: Callable[[str], None]) -> None:
        self._light = Limiter(store, clock, _Rates(REQUESTS_PER_MINUTE), on_error)
        self._heavy = Limiter(store, clock, _Rates(HEAVY_PER_MINUTE), on_error)

    async def admit(self, account_id: str) -> None:
        """Raises RateLimited."""
        await _count(self._light, f"console:{account_id}")

    async def admit_heavy(self, account_id: str) -> None:
        """Raises RateLimited."""
        await _count(self._heavy, f"console-heavy:{account_id}")


async def _count(limiter: Limiter, subject: str) -> None:
    try:
        await limiter.admit_ip(subject)
    except RateLimited as exc:
        wait_s = exc.retry_after_s or 1.0
        raise RateLimited(
            f"Too many requests of this account's console. Please try again in {wait_s:.3f} s.",
            reason="console_requests",
            retry_after_s=wait_s,
        ) from exc
