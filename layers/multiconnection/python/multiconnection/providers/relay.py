"""The streaming core, without I/O: events of a provider in, events for the caller out, and what they cost."""

from collections.abc import Mapping, Sequence
from typing import Any

from multiconnection.domain.provider import Provider
from multiconnection.domain.usage import Ended, UsageSource
from multiconnection.services.ports import ChatCall, CostOf, Outcome, UpstreamError

from .chunks import Chunks, Seen, choices_of
from .error_bodies import error_in
from .errors import ENDED_EARLY, empty_answer, not_an_answer, reported_error
from .estimate import utf8_length
from .meter import Meter
from .templates import HOLE, Template, learn, text_length, without_padding
from .text_completions import TextChunks
from .usage import take_usage
from .wire_json import decode, encode

DONE = b"[DONE]"
DONE_EVENT = b"data: [DONE]\n\n"
TEMPLATES_MAX = 8  # choices and kinds of text that alternate
LESSONS_MAX = 64  # chunks that never resemble each other are not worth more


class Relay:
    """One answer on its way through.

    Chunks that a template knows are passed on with their text untouched; all others are parsed, normalised and
    written anew. `templates_max=0` parses every chunk; the result means the same.
    """

    def __init__(self, provider: Provider, call: ChatCall, cost_of: CostOf, templates_max: int = TEMPLATES_MAX) -> None:
        self._provider = provider
        self.legacy = call.legacy
        self._include_usage = call.include_usage
        self._cost_of = cost_of
        self._chunks = TextChunks(call) if call.legacy else Chunks(call)
        self._meter = Meter(call, provider.quirks)
        self._templates: list[Template] = []
        self._templates_max = templates_max
        self._lessons_left = LESSONS_MAX if templates_max else 0
        self._last_chunk: dict[str, Any] = {}
        self._error: UpstreamError | None = None
        self._outcome: Outcome | None = None
        self.done = False

    @property
    def stopped(self) -> bool:
        """Nothing after a [DONE] or an error is read."""
        return self.done or self._error is not None

    @property
    def substance(self) -> bool:
        return self._meter.substance

    def outcome(self) -> Outcome:
        """Before the end: what is known so far."""
        return self._outcome or self._meter.so_far()

    def accept(self, payloads: Sequence[bytes]) -> bytes:
        """The events for the caller that come of some events of the provider."""
        return b"".join([self._event(payload) for payload in payloads])

    def accept_chunk(self, chunk: dict[str, Any]) -> bytes:
        """One parsed chunk."""
        try:
            return self._chunk(chunk, b"")
        except ValueError:
            return self.fail(not_an_answer())

    def fail(self, error: UpstreamError) -> bytes:
        """The first failure is the one that counts."""
        self._error = self._error or error
        return b""

    def refusal(self, failure: UpstreamError | None) -> UpstreamError:
        """Why there is no answer, when there is no substance."""
        return self._error or failure or empty_answer()

    def end(self, failure: UpstreamError | None) -> list[bytes]:
        """The upstream is at its end, cut short by `failure` or not: the last items for the caller."""
        self._outcome = outcome = self._concluded(self._error or failure)
        if outcome.ended is not Ended.COMPLETE:
            return []
        last = b"".join(self._written(self._filled(self._chunks.closing(i))) for i in self._chunks.unfinished)
        if self._include_usage:
            last += self._usage_event(outcome)
        return [last, DONE_EVENT] if last else [DONE_EVENT]

    def _concluded(self, failure: UpstreamError | None) -> Outcome:
        meter, finished = self._meter, self._chunks.all_finished
        if not meter.substance:
            ended = Ended.EMPTY if failure is None else Ended.UPSTREAM_ERROR
            return meter.nothing(ended, self.refusal(failure).error)
        if self._error is None and (self.done or (finished and (failure is None or meter.final))):
            return meter.complete()
        return meter.failed((failure or not_an_answer(ENDED_EARLY)).error)

    def _event(self, payload: bytes) -> bytes:
        if self.stopped:
            return b""
        payload, padding = without_padding(payload) if payload.endswith(b'"}') else (payload, b"")
        for template in self._templates:
            text = template.text_of(payload)
            if text is not None and (template.call is None or template.call.passes(text, named=template.named)):
                self._meter.text_bytes += text_length(text)
                event = b"%b%b%b" % (template.head_shown, text, template.tail_shown)
                return _padded(event, padding) if padding else event
        return _padded(self._parsed(payload), padding)

    def _parsed(self, payload: bytes) -> bytes:
        if payload.strip() == DONE:
            self.done = True
            return b""
        try:
            return self._decoded(decode(payload), payload)
        except ValueError:
            return self.fail(not_an_answer())

    def _decoded(self, chunk: object, payload: bytes) -> bytes:
        error = error_in(chunk)
        if error is not None:
            if isinstance(chunk, dict):
                self._meter.see(take_usage(chunk, self._provider.quirks), final=True)
            return self.fail(reported_error(error, self._provider))
        if not isinstance(chunk, dict):
            return self.fail(not_an_answer())
        return self._chunk(chunk, payload)

    def _chunk(self, chunk: dict[str, Any], payload: bytes) -> bytes:
        usages, choices = take_usage(chunk, self._provider.quirks), choices_of(chunk)
        if not choices:
            return self._swallow(chunk, usages)
        seen = self._chunks.normalise(chunk, choices)
        self._meter.see(usages, final=self._chunks.any_finished)
        if seen.failed:
            return self.fail(reported_error(None, self._provider))
        event = self._written(chunk)
        self._meter.text_bytes += sum(utf8_length(holder[name]) for holder, name in seen.texts)
        self._meter.substance = self._meter.substance or seen.substance
        if not usages:
            self._learn(chunk, payload, seen)
        return event

    def _swallow(self, chunk: dict[str, Any], usages: Sequence[Mapping[str, Any]]) -> bytes:
        """A usage chunk is kept for the end; prompt filters and other chunks without choices are for nobody."""
        self._meter.see(usages, final=True)
        if usages:
            self._last_chunk = chunk
        return b""

    def _learn(self, chunk: dict[str, Any], payload: bytes, seen: Seen) -> None:
        if seen.began:
            self._templates.clear()  # a delta without an id belongs to the newest call from here on
        if not payload or not self._lessons_left or not seen.settled or len(seen.texts) != 1:
            return
        self._lessons_left -= 1
        holder, name = seen.texts[0]
        text, holder[name] = holder[name], HOLE
        call, named = seen.call if seen.call and name == "arguments" else (None, False)
        template = learn(payload, name, text, self._written(chunk), call, named=named)
        if template is not None:
            self._templates = [template, *self._templates[: self._templates_max - 1]]

    def _usage_event(self, outcome: Outcome) -> bytes:
        cost = {"cost": self._cost_of(outcome.usage)}
        chunk = self._filled({**self._last_chunk, "choices": []})
        try:
            return b"data: %b\n\n" % encode({**chunk, "usage": self._meter.shown(outcome) | cost})
        except ValueError:  # members of the provider's that nobody can write; ours are enough
            ours = outcome.usage.as_openai() | cost
            estimated = {"estimated": True} if outcome.source is UsageSource.ESTIMATED else {}
            return b"data: %b\n\n" % encode(self._filled({"choices": [], "usage": ours | estimated}))

    def _filled(self, chunk: dict[str, Any]) -> dict[str, Any]:
        self._chunks.fill(chunk)
        return chunk

    def _written(self, chunk: dict[str, Any]) -> bytes:
        if self._include_usage:
            chunk["usage"] = None
        return b"data: %b\n\n" % encode(chunk)


def _padded(event: bytes, padding: bytes) -> bytes:
    """The padding back at the end of the object."""
    return b"%b%b\n\n" % (event[: -len(b"}\n\n")], padding) if event and padding else event
