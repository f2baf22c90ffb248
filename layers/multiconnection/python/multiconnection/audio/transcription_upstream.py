"""Transcriptions and translations at an OpenAI-compatible provider: a form with the file, a transcript back."""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from decimal import ROUND_CEILING, Decimal
from math import isfinite
from typing import Any

from multiconnection.calls.upstream import Completion, CostOf, Outcome, UpstreamStream
from multiconnection.catalog.models import Provider, Quirks
from multiconnection.catalog.parameters import base_name
from multiconnection.errors import GatewayError
from multiconnection.providers.errors import (
    TransportFailure,
    answer_body,
    empty_answer,
    error_in,
    not_an_answer,
    reported_error,
    transport_error,
)
from multiconnection.providers.http import EVENTS, JSON, Exchange, FilePart, Http, Outgoing, Reply, form_data, read_body
from multiconnection.providers.sse import NamedEventStream, event_bytes
from multiconnection.providers.usage import OPERATORS_ONLY, counted, detail, details, outcome_of
from multiconnection.usage import Ended, Usage, UsageSource
from multiconnection.web.json import decode, encode, utf8_length

from .transcription_request import TranscriptionCall

ANYTHING = "*/*"
DELTA = "transcript.text.delta"
SEGMENT = "transcript.text.segment"
DONE = "transcript.text.done"
# No file that is taken plays for longer: larger figures are counted as this one, which no bound allows.
SECONDS_MAX = 24 * 3600
# What may stand in an `event:` line.
_NAME = re.compile(r"transcript\.[a-z_.]{1,64}", re.ASCII)
# Some versions of the API wrote the duration as text.
_NUMBER = re.compile(r"\d{1,6}(\.\d{1,20})?", re.ASCII)
Transcript = Completion[dict[str, Any] | bytes]
"""A whole answer: a JSON object with its usage in it, or the bytes of text, srt and vtt."""


class OpenAiTranscription:
    """The dialect of a provider. Holds no state but the network: one instance serves all providers."""

    def __init__(self, http: Http) -> None:
        self._exchange = Exchange(http)

    async def transcribe(self, provider: Provider, call: TranscriptionCall) -> Transcript:
        """Raises UpstreamError."""
        asked = _with_usage(call)
        raw, headers = await self._exchange.whole(
            provider, _outgoing(provider, asked, JSON if asked.in_json else ANYTHING)
        )
        answer = transcript_of(raw, headers, provider, asked)
        if asked is call or isinstance(answer.body, bytes):
            return answer
        return Completion(f"{answer.body['text']}\n".encode(), answer.outcome)

    async def stream(self, provider: Provider, call: TranscriptionCall, cost_of: CostOf) -> UpstreamStream:
        """Events as they come, or made of a whole answer; raises UpstreamError."""
        if not call.asks_for_events:
            return TranscriptEvents(await self.transcribe(provider, call), call, cost_of)
        reply = await self._exchange.open(provider, _outgoing(provider, call, EVENTS))
        try:
            return await _opened(provider, reply, call, cost_of)
        except BaseException:  # also when the caller's task is cancelled: the connection must not outlive it
            reply.close()
            raise


def transcript_of(raw: bytes, headers: Mapping[str, str], provider: Provider, call: TranscriptionCall) -> Transcript:
    """Raises UpstreamError."""
    if not call.in_json:
        return _text(raw, headers, provider, call)
    body = answer_body(raw, provider)
    text = body.get("text")
    if not isinstance(text, str):
        raise not_an_answer()
    outcome = measured(body, utf8_length(text), call)
    return Completion({**body, "usage": shown_usage(details(body, "usage"), outcome, call)}, outcome)


def measured(body: Mapping[str, Any], text_bytes: int, call: TranscriptionCall) -> Outcome:
    """The outcome by what the provider says where that can be, or else by the file and the text."""
    estimate = call.estimated(text_bytes)
    return outcome_of(read_usage(body, call), call.usage_max, estimate, estimated=call.input_source)


def read_usage(body: Mapping[str, Any], call: TranscriptionCall) -> Usage | None:
    """The usage in a whole answer or a last event. None where nothing valid is said; an explicit 0 stays 0."""
    given = details(body, "usage")
    if not call.by_seconds:
        return _tokens_used(given)
    milliseconds = _milliseconds(given.get("seconds"))
    if milliseconds is None:
        milliseconds = _milliseconds(_number(body.get("duration")))
    return None if milliseconds is None else Usage(milliseconds=milliseconds)


def shown_usage(given: Mapping[str, Any], outcome: Outcome, call: TranscriptionCall) -> dict[str, Any]:
    """The provider's members, agreeing with what is charged, without the operator's own costs."""
    usage = outcome.usage
    reported = outcome.source is UsageSource.UPSTREAM
    shown = {name: value for name, value in given.items() if reported and not name.startswith(OPERATORS_ONLY)}
    if call.by_seconds:
        seconds, rest = divmod(usage.milliseconds, 1000)
        shown |= {"type": "duration", "seconds": usage.milliseconds / 1000 if rest else seconds}
    else:
        shown |= {
            "type": "tokens",
            "input_tokens": usage.prompt_tokens,
            "input_token_details": {"text_tokens": usage.input, "audio_tokens": usage.input_audio},
            "output_tokens": usage.output,
            "total_tokens": usage.prompt_tokens + usage.output,
        }
    return shown | {"estimated": True} if outcome.source is UsageSource.ESTIMATED else shown


class TranscriptEvents:
    """A whole transcript as an UpstreamStream: SDKs that asked for a stream are sent no JSON object."""

    def __init__(self, transcript: Transcript, call: TranscriptionCall, cost_of: CostOf) -> None:
        self._transcript = transcript
        self._call = call
        self._cost_of = cost_of

    async def __aiter__(self) -> AsyncIterator[bytes]:
        body = self._body()
        if body["text"]:
            yield _event(DELTA, {"delta": body["text"]})
        if self._call.response_format == "diarized_json":
            for segment in _segments(body):
                yield _event(SEGMENT, segment)
        yield _event(DONE, {name: value for name, value in body.items() if name != "segments"})

    def outcome(self) -> Outcome:
        return self._transcript.outcome

    async def aclose(self) -> None:
        """Does nothing: the reply has been read and closed."""

    def _body(self) -> dict[str, Any]:
        given, outcome = self._transcript.body, self._transcript.outcome
        body: dict[str, Any] = {"text": given.decode("utf-8", "replace")} if isinstance(given, bytes) else given
        usage = body.get("usage") or shown_usage({}, outcome, self._call)
        return {**body, "usage": {**usage, "cost": self._cost_of(outcome.usage)}}


class TranscriptReader:
    """An EventReader: events are passed on one by one. A silent file has a last event and no other."""

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
        usage = shown_usage(details(event, "usage"), outcome, self._call)
        return event_bytes(DONE, encode(event | {"usage": {**usage, "cost": self._cost_of(outcome.usage)}}))

    def _estimated(self, ended: Ended, error: GatewayError | None = None) -> Outcome:
        return Outcome(self._call.estimated(self._text_bytes), self._call.input_source, ended, error)

    def _nothing(self, ended: Ended, error: GatewayError | None = None) -> Outcome:
        return Outcome(Usage(), UsageSource.NONE, ended, error)


def _with_usage(call: TranscriptionCall) -> TranscriptionCall:
    """Bare text has no room for its usage: it is asked for as JSON, so that no format changes the price."""
    if call.response_format != "text":
        return call
    fields = [("response_format", "json") if name == "response_format" else (name, text) for name, text in call.fields]
    return replace(call, response_format="json", fields=fields)


def _outgoing(provider: Provider, call: TranscriptionCall, accept: str) -> Outgoing:
    sent = provider.parameters.forwarded(call.endpoint, {base_name(name): True for name, _ in call.fields})
    judged = ((name, text) for name, text in call.fields if base_name(name) in sent)
    fields = [("model", call.upstream_model), *judged]
    if call.asks_for_events:
        fields.append(("stream", "true"))
    body, content_type = form_data(
        fields, [FilePart("file", call.file.filename, call.file.content_type, call.file.data)]
    )
    return Outgoing(f"/{call.endpoint.replace('.', '/')}", body, content_type, accept)


async def _opened(provider: Provider, reply: Reply, call: TranscriptionCall, cost_of: CostOf) -> UpstreamStream:
    """A provider may answer a stream request with one object."""
    if EVENTS in (reply.headers.get("content-type") or EVENTS).lower():
        stream = NamedEventStream(provider, reply, TranscriptReader(call, provider.quirks, cost_of))
        await stream.prime()
        return stream
    raw = await _whole(reply)
    return TranscriptEvents(transcript_of(raw, reply.headers, provider, call), call, cost_of)


async def _whole(reply: Reply) -> bytes:
    try:
        raw = await read_body(reply)
    except TransportFailure as exc:
        raise transport_error(exc) from exc
    reply.close()
    if not raw:
        raise empty_answer()
    return raw


def _text(raw: bytes, headers: Mapping[str, str], provider: Provider, call: TranscriptionCall) -> Transcript:
    """Passed on as it is, if it is no page and no error in JSON; silence is a line break."""
    if not raw:
        raise empty_answer()
    if "html" in (headers.get("content-type") or "").lower():
        raise not_an_answer()
    error = _error(raw)
    if error is not None:
        raise reported_error(error, provider)
    return Completion(raw, Outcome(call.estimated(len(raw)), call.input_source, Ended.COMPLETE))


def _error(raw: bytes) -> object:
    if not raw.lstrip().startswith(b"{"):
        return None
    try:
        return error_in(decode(raw))
    except ValueError:
        return None


def _segments(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    segments = body.get("segments")
    return [segment for segment in segments if isinstance(segment, dict)] if isinstance(segments, list) else []


def _event(name: str, members: Mapping[str, Any]) -> bytes:
    return event_bytes(name, encode({**members, "type": name}))


def _tokens_used(given: Mapping[str, Any]) -> Usage | None:
    """Counts input that is not divided as audio: that is what a transcript is made of."""
    total, said = counted(given.get("input_tokens")), counted(given.get("output_tokens"))
    if total is None or said is None:
        return None
    parts = details(given, "input_token_details")
    audio, text = detail(parts.get("audio_tokens")), detail(parts.get("text_tokens"))
    if audio is None:
        audio = total - min(text or 0, total)
    audio = min(audio, total)
    return Usage(input=total - audio, input_audio=audio, output=said)


def _milliseconds(seconds: object) -> int | None:
    """Rounded up to whole ones; bool is an int in Python and not on the wire."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float, Decimal)):
        return None
    if not (isfinite(seconds) and seconds >= 0):
        return None
    return int((Decimal(str(min(seconds, SECONDS_MAX))) * 1000).to_integral_value(ROUND_CEILING))


def _number(text: object) -> object:
    return Decimal(text) if isinstance(text, str) and _NUMBER.fullmatch(text) else text
