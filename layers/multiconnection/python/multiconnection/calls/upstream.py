"""Providers as the pipeline sees them: what an attempt yields, how it fails, how its answer is streamed."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Generic, Protocol, TypeVar

from multiconnection.errors import GatewayError
from multiconnection.usage import Ended, Usage, UsageSource

BodyT = TypeVar("BodyT")
CostOf = Callable[[Usage], Decimal]
"""What this usage will be charged, in USD, for `usage.cost`."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The consumption and the end of a call; `error` is what went wrong in mid-stream.

    `disbelieved` is what the provider reported where that is more than the call can have consumed: it is not charged,
    and what it would cost beyond the charge is recorded as the operator's.
    """

    usage: Usage
    source: UsageSource
    ended: Ended
    error: GatewayError | None = None
    disbelieved: Usage | None = None


@dataclass(frozen=True, slots=True)
class Completion(Generic[BodyT]):
    """A whole, non-streamed answer and what it consumed."""

    body: BodyT
    outcome: Outcome


class UpstreamError(Exception):
    """An attempt failed before anything of its answer was shown to the caller.

    `error` is what the caller gets when no other attempt succeeds. `retry_elsewhere` is False when the request
    itself is at fault (400, 404, 413, 422). `cool_down_s` says how long to leave this upstream alone. `unreachable`:
    no connection was made, so no model of this provider can be reached either.
    """

    def __init__(
        self,
        error: GatewayError,
        *,
        retry_elsewhere: bool,
        cool_down_s: float = 0.0,
        ended: Ended = Ended.UPSTREAM_ERROR,
        unreachable: bool = False,
    ) -> None:
        super().__init__(error.message)
        self.error = error
        self.retry_elsewhere = retry_elsewhere
        self.cool_down_s = cool_down_s
        self.ended = ended
        self.unreachable = unreachable

    def outcome(self) -> Outcome:
        """The outcome of a call that ends with this error: nothing is charged."""
        return Outcome(Usage(), UsageSource.NONE, self.ended, self.error)


class UpstreamStream(Protocol):
    """A streamed answer whose first event has arrived and is not an error.

    Iterating yields bytes to forward: items of whole SSE events, so that a comment may follow each of them, and
    `[DONE]` as an item of its own and only after a whole answer. It never raises for what the upstream does: a
    failure ends the iteration and shows in `outcome()`, and the pipeline writes the error event.
    """

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    def outcome(self) -> Outcome:
        """Valid at any time; before the end it is what is known so far, with `ended=DEADLINE`."""

    async def aclose(self) -> None:
        """Drop the upstream connection."""
