"""What the use cases need from the outside, as small Protocols; providers/ and storage/ implement them."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from multiconnection.catalog.models import Provider
from multiconnection.errors import GatewayError
from multiconnection.usage import Ended, Usage, UsageSource


class UpstreamError(Exception):
    """An attempt failed before anything of its answer was shown to the caller.

    `error` is what the caller gets when no other attempt succeeds. `retry_elsewhere` is False when the request
    itself is at fault (400, 404, 413, 422). `cool_down_s` says how long to leave this upstream alone.
    """

    def __init__(
        self,
        error: GatewayError,
        *,
        retry_elsewhere: bool,
        cool_down_s: float = 0.0,
        ended: Ended = Ended.UPSTREAM_ERROR,
    ) -> None:
        super().__init__(error.message)
        self.error = error
        self.retry_elsewhere = retry_elsewhere
        self.cool_down_s = cool_down_s
        self.ended = ended

    def outcome(self) -> "Outcome":
        """Nothing is charged for a call that ends with this error."""
        return Outcome(Usage(), UsageSource.NONE, self.ended, self.error)


@dataclass(frozen=True, slots=True)
class ChatCall:
    """One chat request on its way to one upstream.

    `body` is the caller's JSON object, already validated, not yet rewritten. `output_tokens_max` is the bound the
    hold was made for and is always sent upstream. `prompt_tokens_estimate` stands in when no usage is reported.
    `legacy`: a text completion, whose choices hold a text instead of a message. `generated` are the choices that are
    made and paid for, where they are more than those that come back (`best_of`).
    """

    body: Mapping[str, Any]
    upstream_model: str
    output_tokens_max: int
    prompt_tokens_max: int
    prompt_tokens_estimate: int
    choices: int
    stream: bool
    include_usage: bool
    legacy: bool = False
    generated: int = 0

    @property
    def usage_max(self) -> Usage:
        """The most that the call can consume: a report of more is not believed."""
        made = self.output_tokens_max * max(self.choices, self.generated)
        return Usage(input=self.prompt_tokens_max, output=made)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call consumed and how it ended; `error` is what went wrong in mid-stream.

    `disbelieved` is what the provider reported where that is more than the call can have consumed: it is not charged,
    and what it would cost beyond the charge is recorded as the operator's.
    """

    usage: Usage
    source: UsageSource
    ended: Ended
    error: GatewayError | None = None
    disbelieved: Usage | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole, non-streamed answer. `body` is the provider's JSON object with a normalised `usage` or none."""

    body: dict[str, Any]
    outcome: Outcome


CostOf = Callable[[Usage], str]
"""Decimal USD string of what this usage will be charged, for `usage.cost`."""


class UpstreamStream(Protocol):
    """A streamed answer whose first event has arrived and is not an error.

    Iterating yields bytes to forward: items of whole SSE events, so that a comment may follow each of them, and
    `[DONE]` as an item of its own and only after a whole answer. It never raises for what the upstream does: a
    failure ends the iteration and shows in `outcome()`, and the caller of this port writes the error event.
    """

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    def outcome(self) -> Outcome:
        """Valid at any time; before the end it tells what is known so far, with `ended=DEADLINE`."""

    async def aclose(self) -> None:
        """Drop the upstream connection."""


class ChatUpstream(Protocol):
    """The dialect of a provider."""

    async def complete(self, provider: Provider, call: ChatCall) -> Completion:
        """Raises UpstreamError."""

    async def stream(self, provider: Provider, call: ChatCall, cost_of: CostOf) -> UpstreamStream:
        """Returns once the first event is known to be good; raises UpstreamError."""
