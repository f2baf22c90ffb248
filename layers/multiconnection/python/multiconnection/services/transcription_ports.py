"""What hearing needs from a provider."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from multiconnection.domain.provider import Provider
from multiconnection.domain.usage import Usage, UsageSource

from .ports import CostOf, Outcome, UpstreamStream

TEXT_BYTES_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class TranscriptionCall:
    """One file on its way to one upstream.

    `task` is the last part of the endpoint's path. `fields` are the caller's, in order, without `model` and `stream`.
    `streams`: the provider is asked for events; what it answers in one piece becomes events where the caller wants a
    stream. `heard` is what the file and the texts consume when the provider does not say: time or tokens, known as
    `heard_source` tells; a report of more than `usage_max` is not believed.
    """

    task: str
    fields: Sequence[tuple[str, str]]
    upstream_model: str
    filename: str
    content_type: str
    response_format: str
    streams: bool
    by_seconds: bool
    heard: Usage
    heard_source: UsageSource
    usage_max: Usage
    audio: bytes = field(repr=False)

    @property
    def in_json(self) -> bool:
        return self.response_format.endswith("json")

    def estimated(self, text_bytes: int) -> Usage:
        """When the provider does not say: what was heard, and the text that came of it where that is priced."""
        if self.by_seconds:
            return self.heard
        said = -(-text_bytes // TEXT_BYTES_PER_TOKEN)
        return replace(self.heard, output=min(said, self.usage_max.output))


@dataclass(frozen=True, slots=True)
class Transcript:
    """A whole answer: a JSON object with its usage in it, or the bytes of text, srt and vtt."""

    body: dict[str, Any] | bytes
    outcome: Outcome


class TranscriptionUpstream(Protocol):
    """The dialect of a provider."""

    async def transcribe(self, provider: Provider, call: TranscriptionCall) -> Transcript:
        """Raises UpstreamError."""

    async def stream(self, provider: Provider, call: TranscriptionCall, cost_of: CostOf) -> UpstreamStream:
        """Returns once the first text has arrived; raises UpstreamError."""
