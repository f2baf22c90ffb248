"""Speech at an OpenAI-compatible provider: bare audio, or events where the usage is needed for the charge."""

import re
from base64 import b64decode
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from time import monotonic
from typing import Any

from multiconnection.calls.upstream import CostOf, Outcome, UpstreamError, UpstreamStream
from multiconnection.catalog.models import Provider, Quirks
from multiconnection.catalog.parameters import SPEECH
from multiconnection.errors import GatewayError
from multiconnection.providers.errors import (
    TransportFailure,
    empty_answer,
    error_in,
    not_an_answer,
    reported_error,
    transport_error,
)
from multiconnection.providers.http import ERROR_BYTES_MAX, EVENTS, Exchange, Http, Outgoing, Reply, read_body
from multiconnection.providers.sse import NamedEventStream, event_bytes
from multiconnection.providers.usage import OPERATORS_ONLY, counted, outcome_of
from multiconnection.usage import Ended, Usage, UsageSource
from multiconnection.web.json import decode, encode

from .speech_request import AUDIO_TOKENS_PER_SECOND, SpeechCall

PATH = "/audio/speech"
BYTES = "application/octet-stream"
DELTA = "speech.audio.delta"
DONE = "speech.audio.done"
# Bytes a second at the highest usual bit rate: what was delivered lasted at least so long. PCM is 24 kHz, 16 bit.
BYTES_PER_SECOND = {"pcm": 48_000, "wav": 48_000, "flac": 48_000, "mp3": 20_000, "aac": 20_000, "opus": 16_000}
# The only types that are passed on to callers, parameters (`rate=24000`) included.
_AUDIO = re.compile(r"audio/[\w.+-]{1,64}(?:\s?;\s?[\w-]{1,32}=[\w.-]{1,32}){0,4}", re.ASCII | re.IGNORECASE)
_TEXT = ("text/", "application/xml", "application/xhtml")


class OpenAiSpeech:
    """The dialect of a provider. Holds no state but the network: one instance serves all providers."""

    def __init__(self, http: Http) -> None:
        self._exchange = Exchange(http)

    async def speak(self, provider: Provider, call: SpeechCall, cost_of: CostOf) -> tuple[UpstreamStream, str]:
        """The answer and the type of its bytes, once the first audio has arrived; raises UpstreamError."""
        reply = await self._exchange.open(provider, _outgoing(provider, call))
        try:
            stream = await _stream(provider, reply, call, cost_of)
            await stream.prime()
        except BaseException:  # also when the caller's task is cancelled: the connection must not outlive it
            reply.close()
            raise
        return stream, _media_type(reply, call)


class SpeechMeter:
    """The consumption of one spoken answer so far, and the charge for each way in which it can end.

    It counts delivered audio and keeps the provider's usage, if there is any. There is always some audio: an answer
    without any is an error before it is a stream.
    """

    def __init__(self, call: SpeechCall, quirks: Quirks) -> None:
        self._call = call
        self._quirks = quirks
        self._given: Mapping[str, Any] = {}
        self._reported: Usage | None = None
        self.audio_bytes = 0

    def see(self, given: object) -> None:
        """Takes the usage object of the last event; an invalid one is as if it were absent."""
        if isinstance(given, dict):
            self._given, self._reported = given, _usage_of(given)

    def complete(self) -> Outcome:
        return self._measured(Ended.COMPLETE)

    def so_far(self) -> Outcome:
        return self._measured(Ended.DEADLINE)

    def failed(self, error: GatewayError) -> Outcome:
        """Charges by the vendor's policy, characters and tokens alike: there has been some audio."""
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
            # Characters are known before the call, exactly and by the rule by which the provider counts them.
            return Outcome(self._call.counted, UsageSource.REQUEST, ended, error)
        return outcome_of(self._reported, self._call.usage_max, self._estimated(), ended=ended, error=error)

    def _estimated(self) -> Usage:
        """An estimate by the text, not more than the delivered audio can have lasted."""
        estimate, rate = self._call.estimate, BYTES_PER_SECOND[self._call.audio_format]
        delivered = -(-self.audio_bytes * AUDIO_TOKENS_PER_SECOND // rate)
        return replace(estimate, output_audio=min(estimate.output_audio, delivered))


class AudioStream:
    """An UpstreamStream of bare bytes: passed on as they come, and cut where the provider cut them.

    `prime` first, then iterate once, then `aclose`.
    """

    def __init__(self, reply: Reply, meter: SpeechMeter) -> None:
        self._reply = reply
        self._meter = meter
        self._first = b""
        self._outcome: Outcome | None = None

    def outcome(self) -> Outcome:
        return self._outcome or self._meter.so_far()

    async def aclose(self) -> None:
        self._reply.close()

    async def prime(self) -> None:
        """Reads the first bytes; raises UpstreamError, and the caller closes."""
        try:
            self._first = await self._read()
        except TransportFailure as exc:
            raise transport_error(exc) from exc
        if not self._first:
            raise empty_answer()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        data = self._first
        try:
            while data:
                yield data
                # However long the client took for it: that was not the provider's silence.
                self._reply.idle_since = monotonic()
                data = await self._read()
        except TransportFailure as exc:
            self._outcome = self._meter.failed(transport_error(exc).error)
        else:
            self._outcome = self._meter.complete()
        self._reply.close()

    async def _read(self) -> bytes:
        data = await self._reply.read()
        self._meter.audio_bytes += len(data)
        return data


class SpeechEvents:
    """An EventReader: events are passed on as events or as the audio inside of them; unknown ones are dropped."""

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
        """Raises ValueError for what is no base64: half of the bytes would be played as noise."""
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


def _outgoing(provider: Provider, call: SpeechCall) -> Outgoing:
    body = {**provider.parameters.forwarded(SPEECH, call.body), "model": call.upstream_model}
    if call.asks_for_events:
        body["stream_format"] = "sse"
    return Outgoing.json(PATH, body, accept=EVENTS if call.asks_for_events else BYTES)


async def _stream(
    provider: Provider, reply: Reply, call: SpeechCall, cost_of: CostOf
) -> NamedEventStream | AudioStream:
    """Chosen by what the provider says that it sends, or else by what it was asked for."""
    given = _given_type(reply)
    media_type = given.partition(";")[0].strip().lower()
    meter = SpeechMeter(call, provider.quirks)
    if media_type == "application/json" or media_type.endswith("+json"):
        raise await _error_in_json(provider, reply)
    if media_type == EVENTS if media_type else call.asks_for_events:
        if not call.asks_for_events:
            raise not_an_answer()
        return NamedEventStream(provider, reply, SpeechEvents(call, meter, cost_of))
    if media_type.startswith(_TEXT) or call.events:
        raise not_an_answer()
    return AudioStream(reply, meter)


async def _error_in_json(provider: Provider, reply: Reply) -> UpstreamError:
    """JSON with a 200 is an error object, if it is anything."""
    try:
        raw = await read_body(reply, ERROR_BYTES_MAX)
        error = error_in(decode(raw)) if raw.strip() else None
    except (TransportFailure, ValueError):
        return not_an_answer()
    if error is not None:
        return reported_error(error, provider)
    return not_an_answer() if raw.strip() else empty_answer()


def _media_type(reply: Reply, call: SpeechCall) -> str:
    """The provider's own where it names a kind of audio, else that of the format that was asked for."""
    given = _given_type(reply)
    return given if _AUDIO.fullmatch(given) else call.media_type


def _given_type(reply: Reply) -> str:
    return (reply.headers.get("content-type") or "").strip()


def _usage_of(given: Mapping[str, Any]) -> Usage | None:
    """None unless both totals are whole numbers; an explicit 0 stays 0."""
    text, audio = counted(given.get("input_tokens")), counted(given.get("output_tokens"))
    return None if text is None or audio is None else Usage(input=text, output_audio=audio)
