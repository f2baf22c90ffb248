"""What speaking needs from a provider."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from multiconnection.domain.provider import Provider
from multiconnection.domain.usage import Usage, UsageSource

from .ports import CostOf, UpstreamStream

# Characters are known before the call, exactly and by the rule by which the provider counts them: no estimate.
COUNTED = UsageSource.REQUEST


@dataclass(frozen=True, slots=True)
class SpeechCall:
    """One speech request on its way to one upstream.

    `body` is the caller's JSON object, already validated, not yet rewritten. `counted` is what the call consumes where
    that is known from the request, None where the provider counts tokens; `estimate` stands in when it does not say,
    or says more than `usage_max`.
    `events`: the caller wants named events, not the bare bytes of `audio_format`.
    """

    body: Mapping[str, Any]
    upstream_model: str
    audio_format: str
    media_type: str
    events: bool
    counted: Usage | None
    estimate: Usage
    usage_max: Usage

    @property
    def asks_for_events(self) -> bool:
        """Bare bytes have no room for a usage: whoever is billed by it asks for events."""
        return self.events or self.counted is None


@dataclass(frozen=True, slots=True)
class Spoken:
    """An answer whose first audio has arrived, and what its bytes are."""

    stream: UpstreamStream
    media_type: str


class SpeechUpstream(Protocol):
    """The dialect of a provider."""

    async def speak(self, provider: Provider, call: SpeechCall, cost_of: CostOf) -> Spoken:
        """Returns once the first audio has arrived; raises UpstreamError."""
