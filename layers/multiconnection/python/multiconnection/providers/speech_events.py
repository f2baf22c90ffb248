"""The events of spoken answers, passed on as events or as the audio inside of them."""

from base64 import b64decode
from typing import Any

from multiconnection.domain.gateway_error import GatewayError
from multiconnection.services.ports import CostOf, Outcome
from multiconnection.services.speech_ports import SpeechCall

from .errors import not_an_answer
from .named_events import event_bytes
from .speech_meter import SpeechMeter
from .wire_json import encode

DELTA = "speech.audio.delta"
DONE = "speech.audio.done"


class SpeechEvents:
    """An EventReader. Events that it does not know are for nobody."""

    def __init__(self, call: SpeechCall, meter: SpeechMeter, cost_of: CostOf) -> None:
        self._as_events = call.events
        self._meter = meter
        self._cost_of = cost_of
        self.substance = False
        self.finished = False

    def accept(self, event: dict[str, Any], payload: bytes) -> bytes:
        if event.get("type") == DELTA:
            return self._delta(event, payload)
        if event.get("type") == DONE:
            return self._done(event)
        return b""

    def complete(self) -> Outcome:
        return self._meter.complete()

    def so_far(self) -> Outcome:
        """An answer of which only the end still waits for a slow client is whole."""
        return self._meter.complete() if self.finished else self._meter.so_far()

    def failed(self, error: GatewayError) -> Outcome:
        return self._meter.failed(error)

    def _delta(self, event: dict[str, Any], payload: bytes) -> bytes:
        """Raises ValueError for what is no base64: half of the bytes would be noise to whoever plays them."""
        audio = event.get("audio")
        if not isinstance(audio, str):
            raise not_an_answer()
        data = b64decode(audio, validate=True)
        self._meter.audio_bytes += len(data)
        self.substance = self.substance or bool(data)
        if not self._as_events:
            return data
        return event_bytes(DELTA, encode(event) if b"\n" in payload else payload)

    def _done(self, event: dict[str, Any]) -> bytes:
        self._meter.see(event.get("usage"))
        self.finished = True
        if not self._as_events:
            return b""
        return event_bytes(DONE, encode(event | {"usage": self._meter.shown(self._cost_of)}))
