"""Transcriptions and translations at an OpenAI-compatible provider: a form with the file, a transcript back."""

from dataclasses import replace

from multiconnection.domain.parameters import base_name
from multiconnection.domain.provider import Provider
from multiconnection.services.ports import CostOf, UpstreamStream
from multiconnection.services.transcription_ports import Transcript, TranscriptionCall

from .errors import empty_answer, transport_error
from .exchange import EVENTS, JSON, Exchange, Outgoing
from .http import Http, Reply, TransportFailure, read_body
from .multipart import FilePart, form_data
from .named_events import NamedEventStream
from .transcription_answer import TranscriptEvents, transcript_of
from .transcription_events import TranscriptReader

ANYTHING = "*/*"


class OpenAiTranscription:
    """A TranscriptionUpstream."""

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
        return Transcript(f"{answer.body['text']}\n".encode(), answer.outcome)

    async def stream(self, provider: Provider, call: TranscriptionCall, cost_of: CostOf) -> UpstreamStream:
        """Events as they come, or made of a whole answer; raises UpstreamError."""
        if not call.streams:
            return TranscriptEvents(await self.transcribe(provider, call), call, cost_of)
        reply = await self._exchange.open(provider, _outgoing(provider, call, EVENTS))
        try:
            return await _opened(provider, reply, call, cost_of)
        except BaseException:  # also when the caller's task is cancelled: the connection must not outlive it
            reply.close()
            raise


def _with_usage(call: TranscriptionCall) -> TranscriptionCall:
    """Bare text has no room for its usage: it is asked for as JSON, so that no format changes the price."""
    if call.response_format != "text":
        return call
    fields = [("response_format", "json") if name == "response_format" else (name, text) for name, text in call.fields]
    return replace(call, response_format="json", fields=fields)


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


def _outgoing(provider: Provider, call: TranscriptionCall, accept: str) -> Outgoing:
    sent = provider.parameters.forwarded(f"audio.{call.task}", {base_name(name): True for name, _ in call.fields})
    judged = ((name, text) for name, text in call.fields if base_name(name) in sent)
    fields = [("model", call.upstream_model), *judged]
    if call.streams:
        fields.append(("stream", "true"))
    body, content_type = form_data(fields, [FilePart("file", call.filename, call.content_type, call.audio)])
    return Outgoing(f"/audio/{call.task}", body, content_type, accept)
