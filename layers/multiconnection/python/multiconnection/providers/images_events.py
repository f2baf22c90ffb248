"""The events of an image stream: partial images as they come, finished ones with what they cost."""

from decimal import Decimal
from typing import Any

from multiconnection.domain.gateway_error import GatewayError
from multiconnection.domain.provider import Quirks
from multiconnection.domain.usage import Ended, Usage, UsageSource
from multiconnection.services.images_ports import ImageCall
from multiconnection.services.images_tariff import PARTIAL_TOKENS
from multiconnection.services.images_usage import shown_usage
from multiconnection.services.ports import CostOf, Outcome

from .errors import empty_answer, not_an_answer
from .images_answer import decoded, told_of
from .images_usage import added, read_image_usage
from .named_events import event_bytes
from .usage import outcome_of
from .wire_json import encode


class ImageEvents:
    """An EventReader. Events that it does not know are for nobody."""

    def __init__(self, call: ImageCall, quirks: Quirks, cost_of: CostOf) -> None:
        self._call = call
        self._quirks = quirks
        self._cost_of = cost_of
        self._kind = "image_edit" if call.edit else "image_generation"
        self._usage = Usage()
        self._reported = Usage()
        self._disbelieved = False
        self._estimated = False
        self._partials = 0
        self._completed = 0
        self.substance = False
        self.finished = False

    def accept(self, event: dict[str, Any], payload: bytes) -> bytes:
        """Raises UpstreamError for an image that is none."""
        if event.get("type") == f"{self._kind}.partial_image":
            return self._partial(event, payload)
        if event.get("type") == f"{self._kind}.completed":
            return self._complete(event)
        return b""

    def complete(self) -> Outcome:
        return self._of_finished(Ended.COMPLETE)

    def so_far(self) -> Outcome:
        """An answer of which only the end still waits for a slow client is whole."""
        return self.complete() if self.finished else self._measured(Ended.DEADLINE)

    def failed(self, error: GatewayError) -> Outcome:
        """Finished images are paid for; before the first of them the vendor's policy decides."""
        if not self.substance:
            return Outcome(Usage(), UsageSource.NONE, Ended.UPSTREAM_ERROR, error)
        if not self._completed and not self._quirks.mid_stream_error_billed:
            return Outcome(Usage(), UsageSource.NONE, Ended.MID_STREAM_ERROR, error)
        return self._measured(Ended.MID_STREAM_ERROR, error)

    @property
    def _source(self) -> UsageSource:
        return UsageSource.ESTIMATED if self._estimated else UsageSource.UPSTREAM

    def _of_finished(self, ended: Ended, error: GatewayError | None = None) -> Outcome:
        return Outcome(self._usage, self._source, ended, error, self._reported if self._disbelieved else None)

    def _measured(self, ended: Ended, error: GatewayError | None = None) -> Outcome:
        if self._completed:
            return self._of_finished(ended, error)
        if self._partials:
            # More of them than were asked for are the provider's gift.
            partials = min(self._partials, self._call.images * self._call.tariff.partials)
            seen = self._call.tariff.input_estimate(partials * PARTIAL_TOKENS)
            return Outcome(seen, UsageSource.ESTIMATED, ended, error)
        return Outcome(Usage(), UsageSource.NONE, ended, error)

    def _partial(self, event: dict[str, Any], payload: bytes) -> bytes:
        if not decoded(event.get("b64_json")):
            raise not_an_answer()
        self._partials += 1
        self.substance = True
        return event_bytes(event["type"], encode(event) if b"\n" in payload else payload)

    def _complete(self, event: dict[str, Any]) -> bytes:
        if not decoded(event.get("b64_json")):
            raise not_an_answer() if self.substance else empty_answer()
        usage, source = self._usage_of(event)
        before = self._cost_of(self._usage) if self._completed else "0"
        self._usage = added(self._usage, usage)
        self._estimated = self._estimated or source is UsageSource.ESTIMATED
        self._completed += 1
        self.substance = True
        self.finished = self._completed >= self._call.images
        # Each event tells its share, so that the shares are what is charged in the end.
        cost = f"{Decimal(self._cost_of(self._usage)) - Decimal(before):.9f}"
        return event_bytes(event["type"], encode(event | {"usage": shown_usage(usage, source, cost)}))

    def _usage_of(self, event: dict[str, Any]) -> tuple[Usage, UsageSource]:
        """Of one image; what was read is counted with the first."""
        tariff = self._call.tariff
        estimate = tariff.estimated(1, told_of(event), with_input=not self._completed)
        most, read = tariff.usage_max(1), self._usage.prompt_tokens
        left = Usage(input=max(0, most.prompt_tokens - read), output_image=most.output_image)
        outcome = outcome_of(read_image_usage(event.get("usage"), tariff.model), left, estimate)
        self._reported = added(self._reported, outcome.disbelieved or outcome.usage)
        self._disbelieved = self._disbelieved or outcome.disbelieved is not None
        return outcome.usage, outcome.source
