"""Speech at an OpenAI-compatible provider: bare audio, or events where the usage is needed for the bill."""

import re

from multiconnection.domain.errors import RequestInvalid
from multiconnection.domain.parameters import SPEECH
from multiconnection.domain.provider import Provider
from multiconnection.services.ports import CostOf, UpstreamError
from multiconnection.services.speech_ports import SpeechCall, Spoken

from .error_bodies import error_in
from .errors import empty_answer, not_an_answer, reported_error
from .exchange import ERROR_BYTES_MAX, EVENTS, Exchange, Outgoing
from .http import Http, Reply, TransportFailure, read_body
from .named_events import NamedEventStream
from .speech_audio import AudioStream
from .speech_events import SpeechEvents
from .speech_meter import SpeechMeter
from .wire_json import decode, encode

PATH = "/audio/speech"
BYTES = "application/octet-stream"
# The only types that are passed on to callers, parameters (`rate=24000`) included.
_AUDIO = re.compile(r"audio/[\w.+-]{1,64}(?:\s?;\s?[\w-]{1,32}=[\w.-]{1,32}){0,4}", re.ASCII | re.IGNORECASE)
_TEXT = ("text/", "application/xml", "application/xhtml")


class OpenAiSpeech:
    """A SpeechUpstream."""

    def __init__(self, http: Http) -> None:
        self._exchange = Exchange(http)

    async def speak(self, provider: Provider, call: SpeechCall, cost_of: CostOf) -> Spoken:
        """Returns once the first audio has arrived; raises UpstreamError."""
        reply = await self._exchange.open(provider, _outgoing(provider, call))
        try:
            stream = await _stream(provider, reply, call, cost_of)
            await stream.prime()
        except BaseException:  # also when the caller's task is cancelled: the connection must not outlive it
            reply.close()
            raise
        return Spoken(stream, _media_type(reply, call))


def _outgoing(provider: Provider, call: SpeechCall) -> Outgoing:
    body = {**provider.parameters.forwarded(SPEECH, call.body), "model": call.upstream_model}
    if call.asks_for_events:
        body["stream_format"] = "sse"
    try:
        return Outgoing(PATH, encode(body), accept=EVENTS if call.asks_for_events else BYTES)
    except ValueError as exc:
        error = RequestInvalid("The request body is nested too deeply.")
        raise UpstreamError(error, retry_elsewhere=False) from exc


async def _stream(
    provider: Provider, reply: Reply, call: SpeechCall, cost_of: CostOf
) -> NamedEventStream | AudioStream:
    """By what the provider says that it sends; without a word about it, what it was asked for."""
    given = _given_type(reply)
    media_type = given.partition(";")[0].strip().lower()
    meter = SpeechMeter(call, provider.quirks)
    if media_type == "application/json" or media_type.endswith("+json"):
        raise await _told_in_json(provider, reply)
    if media_type == EVENTS if media_type else call.asks_for_events:
        if not call.asks_for_events:
            raise not_an_answer()
        return NamedEventStream(provider, reply, SpeechEvents(call, meter, cost_of))
    if media_type.startswith(_TEXT) or call.events:
        raise not_an_answer()
    return AudioStream(reply, meter)


async def _told_in_json(provider: Provider, reply: Reply) -> UpstreamError:
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
    """The provider's word where it names a kind of audio, else that of the format that was asked for."""
    given = _given_type(reply)
    return given if _AUDIO.fullmatch(given) else call.media_type


def _given_type(reply: Reply) -> str:
    return (reply.headers.get("content-type") or "").strip()
