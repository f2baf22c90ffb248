"""The events of a transcript that is streamed, passed on one by one."""

import re
from typing import Any

from multiconnection.domain.gateway_error import GatewayError
from multiconnection.domain.provider import Quirks
from multiconnection.domain.usage import Ended, Usage, UsageSource
from multiconnection.services.ports import CostOf, Outcome
from multiconnection.services.transcription_ports import TranscriptionCall

from .errors import not_an_answer
from .estimate import utf8_length
from .named_events import event_bytes
from .transcription_answer import DELTA, DONE, SEGMENT, measured
from .transcription_usage import shown_usage, usage_object
from .wire_json import encode

# What may stand in an `event:` line.
_NAME = re.compile(r"transcript\.[a-z_.]{1,64}", re.ASCII)


class TranscriptReader:
    """An EventReader. A file in which nobody speaks has a last event and no other."""

    def __init__(self, call: TranscriptionCall, quirks: Quirks, cost_of: CostOf) -> None:
        self._call = call
        self._quirks = quirks
        self._cost_of = cost_of
        self._text_bytes = 0
        self._complete: Outcome | None = None
        self.substance = False
        self.finished = False

    def accept(self, event: dict[str, Any], payload: bytes) -> bytes:
        name = event.get("type")
        if not isinstance(name, str):
            raise not_an_answer()
        if not _NAME.fullmatch(name):
            return b""
        if name == DONE:
            return self._done(event)
        if name == DELTA:
            self._delta(event.get("delta"))
        self.substance = self.substance or name == SEGMENT
        return event_bytes(name, encode(event) if b"\n" in payload else payload)

    def complete(self) -> Outcome:
        return self._complete or self._estimated(Ended.COMPLETE)

    def so_far(self) -> Outcome:
        """An answer of which only the end still waits for a slow client is whole."""
        if self._complete is not None:
            return self._complete
        return self._estimated(Ended.DEADLINE) if self.substance else self._nothing(Ended.DEADLINE)

    def failed(self, error: GatewayError) -> Outcome:
        if not self.substance:
            return self._nothing(Ended.UPSTREAM_ERROR, error)
        if not self._quirks.mid_stream_error_billed:
            return self._nothing(Ended.MID_STREAM_ERROR, error)
        return self._estimated(Ended.MID_STREAM_ERROR, error)

    def _delta(self, text: object) -> None:
        if not isinstance(text, str):
            raise not_an_answer()
        self._text_bytes += utf8_length(text)
        self.substance = self.substance or bool(text)

    def _done(self, event: dict[str, Any]) -> bytes:
        text = event.get("text")
        if not isinstance(text, str):
            raise not_an_answer()
        self.substance = self.finished = True
        outcome = self._complete = measured(event, utf8_length(text), self._call)
        usage = shown_usage(usage_object(event), outcome, self._call)
        return event_bytes(DONE, encode(event | {"usage": {**usage, "cost": self._cost_of(outcome.usage)}}))

    def _estimated(self, ended: Ended, error: GatewayError | None = None) -> Outcome:
        return Outcome(self._call.estimated(self._text_bytes), self._call.heard_source, ended, error)

    def _nothing(self, ended: Ended, error: GatewayError | None = None) -> Outcome:
        return Outcome(Usage(), UsageSource.NONE, ended, error)
