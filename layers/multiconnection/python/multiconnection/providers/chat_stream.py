"""A streamed answer: reads the provider, feeds the relay, and ends as the relay concludes."""

import asyncio
from collections.abc import AsyncIterator
from time import monotonic

from multiconnection.domain.provider import Provider
from multiconnection.services.ports import Outcome, UpstreamError

from . import text_completions
from .completion import chunks_of, completion_body
from .errors import not_an_answer, transport_error
from .events import BOM, EventSplitter, EventTooLarge
from .http import Reply, TransportFailure, read_body
from .relay import Relay

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
        for chunk in text_completions.chunks_of(body) if legacy else chunks_of(body):
            self._hold(self._relay.accept_chunk(chunk))
        self._relay.done = True
        if not self._relay.substance:
            raise self._relay.refusal(None)

    def _hold(self, item: bytes) -> None:
        if item:
            self._held.append(item)
