"""What one streamed answer has consumed so far, and what is charged for each way in which it can end."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from multiconnection.domain.gateway_error import GatewayError
from multiconnection.domain.provider import Quirks
from multiconnection.domain.usage import Ended, Usage, UsageSource
from multiconnection.services.ports import ChatCall, Outcome

from .estimate import estimated_usage
from .usage import likeliest, outcome_of, shown_usage


class Meter:
    """Counts delivered text and keeps the last usage that can be right.

    `substance`: a token, a call, a refusal or a finish_reason was seen, so there is an answer to charge for. `final`:
    the provider has reported its last usage, believed or not.
    """

    __slots__ = (
        "_call",
        "_disbelieved",
        "_given",
        "_most",
        "_quirks",
        "_whole",
        "final",
        "substance",
        "text_bytes",
        "usage",
    )

    def __init__(self, call: ChatCall, quirks: Quirks) -> None:
        self._call = call
        self._quirks = quirks
        self._most = call.usage_max
        self._given: Mapping[str, Any] = {}
        self._disbelieved: Usage | None = None
        self._whole = False
        self.usage: Usage | None = None
        self.final = False
        self.substance = False
        self.text_bytes = 0

    def see(self, usages: Sequence[Mapping[str, Any]], *, final: bool) -> None:
        """The usage objects of one chunk; the likeliest one counts, and an invalid one is as if it were absent."""
        if not usages:
            return
        given, usage = likeliest(usages, self._quirks, self._most)
        if usage is None:
            return
        self.final = final
        if usage.exceeds(self._most):
            self._disbelieved = usage
        else:
            self.usage, self._given, self._whole, self._disbelieved = usage, given, final, None

    def complete(self) -> Outcome:
        return self._measured(Ended.COMPLETE)

    def so_far(self) -> Outcome:
        """A role is no token: nothing has been generated yet that could be estimated."""
        if not self.substance and self.usage is None:
            return Outcome(Usage(), UsageSource.NONE, Ended.DEADLINE)
        return self._measured(Ended.DEADLINE)

    def failed(self, error: GatewayError) -> Outcome:
        """Before the first token nothing is charged; after it, usage if given, else what the vendor's policy is."""
        if not self.substance:
            return self.nothing(Ended.UPSTREAM_ERROR, error)
        if self.usage is None and not self._quirks.mid_stream_error_billed:
            return replace(self.nothing(Ended.MID_STREAM_ERROR, error), disbelieved=self._disbelieved)
        return self._measured(Ended.MID_STREAM_ERROR, error)

    def nothing(self, ended: Ended, error: GatewayError) -> Outcome:
        return Outcome(Usage(), UsageSource.NONE, ended, error)

    def shown(self, outcome: Outcome) -> dict[str, Any]:
        """The usage object for the caller."""
        if outcome.source is UsageSource.ESTIMATED:
            return outcome.usage.as_openai() | {"estimated": True}
        return shown_usage(self._given, outcome.usage)

    def _measured(self, ended: Ended, error: GatewayError | None = None) -> Outcome:
        """An earlier usage that can be right stands where the last one cannot."""
        if self.usage is None:
            estimate = estimated_usage(self._call, self.text_bytes)
            return outcome_of(self._disbelieved, self._most, estimate, ended=ended, error=error)
        source = UsageSource.UPSTREAM if self._whole and self._disbelieved is None else UsageSource.PARTIAL
        return Outcome(self.usage, source, ended, error, self._disbelieved)
