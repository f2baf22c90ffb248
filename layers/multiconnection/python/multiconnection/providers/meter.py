"""What one streamed answer has consumed so far, and what is charged for each way in which it can end."""

from collections.abc import Mapping, Sequence
from typing import Any

from multiconnection.domain.gateway_error import GatewayError
from multiconnection.domain.provider import Quirks
from multiconnection.domain.usage import Ended, Usage, UsageSource
from multiconnection.services.ports import ChatCall, Outcome

from .estimate import estimated_usage
from .usage import read_usage, shown_usage


class Meter:
    """Counts delivered text and keeps the last valid usage.

    `substance`: a token, a call, a refusal or a finish_reason was seen, so there is an answer to charge for.
    """

    __slots__ = ("_call", "_given", "_quirks", "final", "substance", "text_bytes", "usage")

    def __init__(self, call: ChatCall, quirks: Quirks) -> None:
        self._call = call
        self._quirks = quirks
        self._given: Mapping[str, Any] = {}
        self.usage: Usage | None = None
        self.final = False
        self.substance = False
        self.text_bytes = 0

    def see(self, usages: Sequence[Mapping[str, Any]], *, final: bool) -> None:
        """The usage objects of one chunk, the first valid one counts; an invalid one is as if it were absent."""
        for given in usages:
            usage = read_usage(given, self._quirks)
            if usage is not None:
                self.usage, self._given, self.final = usage, given, final
                return

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
            return self.nothing(Ended.MID_STREAM_ERROR, error)
        return self._measured(Ended.MID_STREAM_ERROR, error)

    def nothing(self, ended: Ended, error: GatewayError) -> Outcome:
        return Outcome(Usage(), UsageSource.NONE, ended, error)

    def shown(self, outcome: Outcome) -> dict[str, Any]:
        """The usage object for the caller."""
        if outcome.source is UsageSource.ESTIMATED:
            return outcome.usage.as_openai() | {"estimated": True}
        return shown_usage(self._given, outcome.usage)

    def _measured(self, ended: Ended, error: GatewayError | None = None) -> Outcome:
        if self.usage is None:
            return Outcome(estimated_usage(self._call, self.text_bytes), UsageSource.ESTIMATED, ended, error)
        source = UsageSource.UPSTREAM if self.final else UsageSource.PARTIAL
        return Outcome(self.usage, source, ended, error)
