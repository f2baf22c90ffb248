"""What one spoken answer has consumed so far, and what is charged for each way in which it can end."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from multiconnection.domain.gateway_error import GatewayError
from multiconnection.domain.provider import Quirks
from multiconnection.domain.usage import Ended, Usage, UsageSource
from multiconnection.services.ports import CostOf, Outcome
from multiconnection.services.speech_ports import COUNTED, SpeechCall
from multiconnection.services.speech_request import AUDIO_TOKENS_PER_SECOND

from .usage import OPERATORS_ONLY, counted, outcome_of

# Bytes a second at the highest usual bit rate: what was delivered lasted at least so long. PCM is 24 kHz, 16 bit.
BYTES_PER_SECOND = {"pcm": 48_000, "wav": 48_000, "flac": 48_000, "mp3": 20_000, "aac": 20_000, "opus": 16_000}


class SpeechMeter:
    """Counts delivered audio and keeps the provider's usage, if there is any.

    Whoever asks how an answer ended has heard some of it: one without audio is an error before it is a stream.
    """

    def __init__(self, call: SpeechCall, quirks: Quirks) -> None:
        self._call = call
        self._quirks = quirks
        self._given: Mapping[str, Any] = {}
        self._reported: Usage | None = None
        self.audio_bytes = 0

    def see(self, given: object) -> None:
        """The usage object of the last event; an invalid one is as if it were absent."""
        if isinstance(given, dict):
            self._given, self._reported = given, _read(given)

    def complete(self) -> Outcome:
        return self._measured(Ended.COMPLETE)

    def so_far(self) -> Outcome:
        return self._measured(Ended.DEADLINE)

    def failed(self, error: GatewayError) -> Outcome:
        """After the first audio the vendor's policy decides, for characters and tokens alike."""
        if not self._quirks.mid_stream_error_billed:
            return Outcome(Usage(), UsageSource.NONE, Ended.MID_STREAM_ERROR, error)
        return self._measured(Ended.MID_STREAM_ERROR, error)

    def shown(self, cost_of: CostOf) -> dict[str, Any]:
        """The usage object of the last event, agreeing with what is charged, without the operator's own costs."""
        outcome = self.complete()
        usage = outcome.usage
        theirs = self._given if outcome.source is UsageSource.UPSTREAM else {}
        shown = {name: value for name, value in theirs.items() if not name.startswith(OPERATORS_ONLY)}
        shown |= {"input_tokens": usage.input, "output_tokens": usage.output_audio}
        shown |= {"total_tokens": usage.input + usage.output_audio, "cost": cost_of(usage)}
        return shown if outcome.source is UsageSource.UPSTREAM else shown | {"estimated": True}

    def _measured(self, ended: Ended, error: GatewayError | None = None) -> Outcome:
        if self._call.counted is not None:
            return Outcome(self._call.counted, COUNTED, ended, error)
        return outcome_of(self._reported, self._call.usage_max, self._estimated(), ended=ended, error=error)

    def _estimated(self) -> Usage:
        """By the text, and not more than the delivered audio can have lasted."""
        estimate, rate = self._call.estimate, BYTES_PER_SECOND[self._call.audio_format]
        delivered = -(-self.audio_bytes * AUDIO_TOKENS_PER_SECOND // rate)
        return replace(estimate, output_audio=min(estimate.output_audio, delivered))


def _read(given: Mapping[str, Any]) -> Usage | None:
    """None unless both totals are whole numbers; an explicit 0 stays 0."""
    text, audio = counted(given.get("input_tokens")), counted(given.get("output_tokens"))
    return None if text is None or audio is None else Usage(input=text, output_audio=audio)
