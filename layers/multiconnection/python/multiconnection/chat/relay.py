"""The streaming core, without I/O: events of a provider in, events for the caller out, and what they cost."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from time import monotonic
from typing import Any

from multiconnection.calls.upstream import ChatCall, CostOf, Outcome, UpstreamError
from multiconnection.catalog.models import Provider, Quirks
from multiconnection.errors import GatewayError
from multiconnection.providers.codec import decode, encode, likeliest, outcome_of, shown_usage, take_usage, utf8_length
from multiconnection.providers.errors import (
    ENDED_EARLY,
    TransportFailure,
    empty_answer,
    error_in,
    not_an_answer,
    reported_error,
    transport_error,
)
from multiconnection.providers.http import Reply, read_body
from multiconnection.providers.sse import BOM, EventSplitter, EventTooLarge
from multiconnection.usage import Ended, Usage, UsageSource

from . import completion
from .chunks import HOLE, Chunks, Seen, Template, choices_of, estimated_usage, learn, text_length, without_padding
from .completion import TextChunks, chunks_of, completion_body

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


# A streamed answer: reads the provider, feeds the relay, and ends as the relay concludes.

FIRST_TOKEN_GRACE_S = 1.0
JSON_OR_HTML = b"{[<"  # no line of an event stream begins so


class UpstreamChatStream:
    """The UpstreamStream of the OpenAI-compatible dialect. `prime` first, then iterate once, then `aclose`."""

    def __init__(self, provider: Provider, reply: Reply, relay: Relay) -> None:
        self._provider = provider
        self._reply = reply
        self._relay = relay
        self._splitter = EventSplitter()
        self._held: list[bytes] = []
        self._closed = False

    def outcome(self) -> Outcome:
        return self._relay.outcome()

    async def aclose(self) -> None:
        self._closed = True
        self._reply.close()

    async def prime(self) -> None:
        """Read until there is something of an answer; raises UpstreamError, and the caller closes.

        A first event that only names the role is held back for FIRST_TOKEN_GRACE_S, so that a provider that fails
        before its first token can still be replaced by another.
        """
        try:
            await self._prime()
        except TransportFailure as exc:
            raise self._relay.refusal(transport_error(exc)) from exc
        except EventTooLarge as exc:
            raise not_an_answer() from exc

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for item in self._held:
            yield item
        failure: UpstreamError | None = None
        self._reply.idle_since = monotonic()
        while not self._relay.stopped:
            try:
                data = await self._reply.read()
                item = self._take(data) if data else self._relay.accept(self._splitter.flush())
            except TransportFailure as exc:
                failure = transport_error(exc)
                break
            except EventTooLarge:
                failure = not_an_answer()
                break
            if item:
                yield item
                self._reply.idle_since = monotonic()
            if not data:
                break
        if self._closed:
            return
        for item in self._relay.end(failure):
            yield item
        await self._finish()

    def _take(self, data: bytes) -> bytes:
        payloads = self._splitter.feed(data)
        if not payloads:
            return b""
        self._reply.idle_since = monotonic()
        return self._relay.accept(payloads)

    async def _finish(self) -> None:
        """After a [DONE] only the end of the body is missing, and then the connection can serve another call."""
        if self._relay.done:
            await self._reply.drain()
        else:
            self._reply.close()

    async def _prime(self) -> None:
        start = await self._first_bytes()
        if start[:1] and start[:1] in JSON_OR_HTML:
            await self._convert(start)
            return
        data: bytes | None = start
        while data is not None:
            self._hold(self._take(data) if data else self._relay.accept(self._splitter.flush()))
            if self._relay.substance:
                return
            if not data or self._relay.stopped:
                raise self._relay.refusal(None)
            data = await self._next()

    async def _first_bytes(self) -> bytes:
        """Blank lines ahead of an answer are a keep-alive."""
        start = b""
        while data := await self._reply.read():
            start = (start + data).removeprefix(BOM).lstrip()
            if start and not BOM.startswith(start):
                break
        return start

    async def _next(self) -> bytes | None:
        """None when the first token is slow and there is something to show meanwhile."""
        if not self._held:
            return await self._reply.read()
        try:
            async with asyncio.timeout(FIRST_TOKEN_GRACE_S):
                return await self._reply.read()
        except TimeoutError:
            return None

    async def _convert(self, start: bytes) -> None:
        """A provider that answers a stream request with one JSON object."""
        legacy = self._relay.legacy
        body = completion_body(await read_body(self._reply, start=start), self._provider, legacy=legacy)
        for chunk in completion.text_chunks_of(body) if legacy else chunks_of(body):
            self._hold(self._relay.accept_chunk(chunk))
        self._relay.done = True
        if not self._relay.substance:
            raise self._relay.refusal(None)

    def _hold(self, item: bytes) -> None:
        if item:
            self._held.append(item)


# What one streamed answer has consumed so far, and what is charged for each way in which it can end.


class Meter:
    """Counts delivered text and keeps the last usage that can be right.

    `substance`: a token, a call, a refusal or a finish_reason was seen, so there is an answer to charge for. `final`:
    the provider has reported its last usage, believed or not.
    """

    __slots__ = (
        "_call",
        "_disbelieved",
        "_given",
        "_most",
        "_quirks",
        "_whole",
        "final",
        "substance",
        "text_bytes",
        "usage",
    )

    def __init__(self, call: ChatCall, quirks: Quirks) -> None:
        self._call = call
        self._quirks = quirks
        self._most = call.usage_max
        self._given: Mapping[str, Any] = {}
        self._disbelieved: Usage | None = None
        self._whole = False
        self.usage: Usage | None = None
        self.final = False
        self.substance = False
        self.text_bytes = 0

    def see(self, usages: Sequence[Mapping[str, Any]], *, final: bool) -> None:
        """The usage objects of one chunk; the likeliest one counts, and an invalid one is as if it were absent."""
        if not usages:
            return
        given, usage = likeliest(usages, self._quirks, self._most)
        if usage is None:
            return
        self.final = final
        if usage.exceeds(self._most):
            self._disbelieved = usage
        else:
            self.usage, self._given, self._whole, self._disbelieved = usage, given, final, None

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
            return replace(self.nothing(Ended.MID_STREAM_ERROR, error), disbelieved=self._disbelieved)
        return self._measured(Ended.MID_STREAM_ERROR, error)

    def nothing(self, ended: Ended, error: GatewayError) -> Outcome:
        return Outcome(Usage(), UsageSource.NONE, ended, error)

    def shown(self, outcome: Outcome) -> dict[str, Any]:
        """The usage object for the caller."""
        if outcome.source is UsageSource.ESTIMATED:
            return outcome.usage.as_openai() | {"estimated": True}
        return shown_usage(self._given, outcome.usage)

    def _measured(self, ended: Ended, error: GatewayError | None = None) -> Outcome:
        """An earlier usage that can be right stands where the last one cannot."""
        if self.usage is None:
            estimate = estimated_usage(self._call, self.text_bytes)
            return outcome_of(self._disbelieved, self._most, estimate, ended=ended, error=error)
        source = UsageSource.UPSTREAM if self._whole and self._disbelieved is None else UsageSource.PARTIAL
        return Outcome(self.usage, source, ended, error, self._disbelieved)
