"""A whole transcript: checked, measured, and turned into events where the caller wants a stream."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from multiconnection.domain.provider import Provider
from multiconnection.domain.usage import Ended
from multiconnection.services.ports import CostOf, Outcome
from multiconnection.services.transcription_ports import Transcript, TranscriptionCall

from .answer import answer_body
from .error_bodies import error_in
from .errors import empty_answer, not_an_answer, reported_error
from .estimate import utf8_length
from .named_events import event_bytes
from .transcription_usage import read_usage, shown_usage, usage_object
from .usage import outcome_of
from .wire_json import decode, encode

DELTA = "transcript.text.delta"
SEGMENT = "transcript.text.segment"
DONE = "transcript.text.done"


def transcript_of(raw: bytes, headers: Mapping[str, str], provider: Provider, call: TranscriptionCall) -> Transcript:
    """Raises UpstreamError."""
    if not call.in_json:
        return _text(raw, headers, provider, call)
    body = answer_body(raw, provider)
    text = body.get("text")
    if not isinstance(text, str):
        raise not_an_answer()
    outcome = measured(body, utf8_length(text), call)
    return Transcript({**body, "usage": shown_usage(usage_object(body), outcome, call)}, outcome)


def measured(body: Mapping[str, Any], text_bytes: int, call: TranscriptionCall) -> Outcome:
    """By what the provider says where that can be, or else by the file and the text."""
    estimate = call.estimated(text_bytes)
    return outcome_of(read_usage(body, call), call.usage_max, estimate, estimated=call.heard_source)


def _text(raw: bytes, headers: Mapping[str, str], provider: Provider, call: TranscriptionCall) -> Transcript:
    """Passed on as it is, if it is no page and no error in JSON; silence is a line break."""
    if not raw:
        raise empty_answer()
    if "html" in (headers.get("content-type") or "").lower():
        raise not_an_answer()
    error = _error(raw)
    if error is not None:
        raise reported_error(error, provider)
    return Transcript(raw, Outcome(call.estimated(len(raw)), call.heard_source, Ended.COMPLETE))


def _error(raw: bytes) -> object:
    if not raw.lstrip().startswith(b"{"):
        return None
    try:
        return error_in(decode(raw))
    except ValueError:
        return None


class TranscriptEvents:
    """A whole transcript as an UpstreamStream: SDKs that asked for a stream see nothing of a JSON object."""

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
        """Nothing is open any more."""

    def _body(self) -> dict[str, Any]:
        given, outcome = self._transcript.body, self._transcript.outcome
        body: dict[str, Any] = {"text": given.decode("utf-8", "replace")} if isinstance(given, bytes) else given
        usage = body.get("usage") or shown_usage({}, outcome, self._call)
        return {**body, "usage": {**usage, "cost": self._cost_of(outcome.usage)}}


def _segments(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    segments = body.get("segments")
    return [segment for segment in segments if isinstance(segment, dict)] if isinstance(segments, list) else []


def _event(name: str, members: Mapping[str, Any]) -> bytes:
    return event_bytes(name, encode({**members, "type": name}))
