"""Streams of named events (speech, images, transcriptions): read, passed on one by one, concluded with a bill."""

from collections.abc import AsyncIterator
from time import monotonic
from typing import Any, Protocol

from multiconnection.domain.gateway_error import GatewayError
from multiconnection.domain.provider import Provider
from multiconnection.services.ports import Outcome, UpstreamError

from .error_bodies import error_in
from .errors import ENDED_EARLY, empty_answer, not_an_answer, reported_error, transport_error
from .events import EventSplitter, EventTooLarge
from .http import Reply, TransportFailure
from .wire_json import decode

DONE = b"[DONE]"


class EventReader(Protocol):
    """One modality's events. `substance`: something worth money has arrived; `finished`: the last event has."""

    substance: bool
    finished: bool

    def accept(self, event: dict[str, Any], payload: bytes) -> bytes:
        """What the caller gets for one event, b"" for nothing; raises UpstreamError when it makes no sense."""

    def complete(self) -> Outcome:
        """After the last event."""

    def so_far(self) -> Outcome:
        """What is known before the end, with `ended=DEADLINE`."""

    def failed(self, error: GatewayError) -> Outcome:
        """The stream broke; nothing is charged where nothing of substance has arrived."""


def event_bytes(name: str, payload: bytes) -> bytes:
    """One event on the wire; the SDKs need the name that is also in the payload's `type`."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), payload)


class NamedEventStream:
    """An UpstreamStream. `prime` first, then iterate once, then `aclose`."""

    def __init__(self, provider: Provider, reply: Reply, reader: EventReader) -> None:
        self._provider = provider
        self._reply = reply
        self._reader = reader
        self._splitter = EventSplitter()
        self._held: list[bytes] = []
        self._error: UpstreamError | None = None
        self._outcome: Outcome | None = None
        self._closed = False

    def outcome(self) -> Outcome:
        return self._outcome or self._reader.so_far()

    async def aclose(self) -> None:
        self._closed = True
        self._reply.close()

    async def prime(self) -> None:
        """Read until something of substance has arrived; raises UpstreamError, and the caller closes."""
        try:
            while not (self._reader.substance or self._stopped):
                data = await self._reply.read()
                self._held += self._take(data)
                if not data:
                    break
        except TransportFailure as exc:
            raise transport_error(exc) from exc
        if not self._reader.substance:
            raise self._error or empty_answer()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for item in self._held:
            yield item
        data = b" "
        self._reply.idle_since = monotonic()
        while data and not self._stopped:
            try:
                data = await self._reply.read()
            except TransportFailure as exc:
                self._error = transport_error(exc)
                break
            for item in self._take(data):
                yield item
        if not self._closed:
            self._outcome = self._concluded()
            await self._finish()

    @property
    def _stopped(self) -> bool:
        return self._reader.finished or self._error is not None

    def _take(self, data: bytes) -> list[bytes]:
        """The items for the caller; b"" is the clean end of the body."""
        try:
            payloads = self._splitter.feed(data) if data else self._splitter.flush()
        except EventTooLarge:
            self._error = not_an_answer()
            return []
        if payloads:
            self._reply.idle_since = monotonic()
        return [item for payload in payloads if (item := self._item(payload))]

    def _item(self, payload: bytes) -> bytes:
        if self._stopped or payload.strip() == DONE:
            return b""
        try:
            event = decode(payload)
            error = error_in(event)
            if error is not None:
                raise reported_error(error, self._provider)
            if not isinstance(event, dict):
                raise not_an_answer()
            return self._reader.accept(event, payload)
        except UpstreamError as exc:
            self._error = exc
        except ValueError:
            self._error = not_an_answer()
        return b""

    def _concluded(self) -> Outcome:
        if self._error is None and self._reader.finished:
            return self._reader.complete()
        return self._reader.failed((self._error or not_an_answer(ENDED_EARLY)).error)

    async def _finish(self) -> None:
        """After the last event only the end of the body is missing, and then the connection can serve another call."""
        if self._reader.finished:
            await self._reply.drain()
        else:
            self._reply.close()
