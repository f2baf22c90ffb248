"""A streamed answer on its way to the client: keep-alives, deadline, in-band errors, and the charge at the end."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from multiconnection.errors import GatewayError, InternalError, NoAvailableUpstream, UpstreamTimeout
from multiconnection.ports import Clock
from multiconnection.usage import Ended, Usage, UsageSource
from multiconnection.web.json import encode

from .settlement import Charge
from .upstream import Outcome, UpstreamError, UpstreamStream

SendBytes = Callable[[bytes], Awaitable[None]]
NOTHING = Outcome(Usage(), UsageSource.NONE, Ended.UPSTREAM_ERROR)
# A client that does not read keeps us no longer than this from settling.
ERROR_EVENT_TIMEOUT_S = 1.0
# A line of its own, not an event: with a blank line behind it, openai-go before 3.43 takes it for an empty event and
# stops there.
COMMENT = b": keep-alive\n"
SSE_MEDIA_TYPE = "text/event-stream; charset=utf-8"
# No cache and no proxy's buffer between us and the client.
UNBUFFERED = [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]


def deadline_error(advice: str = "") -> UpstreamTimeout:
    message = f"The answer was not complete before the gateway's deadline. {advice}".rstrip()
    return UpstreamTimeout(message, retryable=False)


@dataclass(frozen=True, slots=True)
class Framing:
    """The media type of a body that comes in pieces, and its way to report a failure.

    `error` writes it as an event; None where a body has no room for one and can only be cut off.
    """

    media_type: str
    error: Callable[[GatewayError], bytes] | None

    @property
    def is_events(self) -> bool:
        """True if there is room for a keep-alive: between events there is."""
        return self.error is not None


def error_event(error: GatewayError) -> bytes:
    """One SSE event without an `event:` line: both OpenAI SDKs raise APIError at it."""
    return b"data: " + orjson.dumps(error.body()) + b"\n\n"


def named_error_event(error: GatewayError) -> bytes:
    """The failure in a stream of named events (images, transcriptions, speech): both SDKs raise APIError at it."""
    return b"event: error\ndata: " + orjson.dumps({"type": "error", **error.body()}) + b"\n\n"


CHUNKS = Framing(SSE_MEDIA_TYPE, error_event)
NAMED_EVENTS = Framing(SSE_MEDIA_TYPE, named_error_event)


def raw(media_type: str) -> Framing:
    """Bytes such as audio: what is not whole must not end cleanly."""
    return Framing(media_type, None)


class StreamedAnswer:
    """Create, `open`, then `relay` exactly once: relay settles the charge whatever happens.

    Without a byte by `first_byte_by_s` a body that has no room for a keep-alive is given up.
    """

    def __init__(
        self,
        charge: Charge,
        opening: Coroutine[None, None, UpstreamStream],
        clock: Clock,
        deadline_s: float,
        keep_alive_s: float,
        framing: Framing,
        first_byte_by_s: float = math.inf,
    ) -> None:
        self.framing = framing
        self._charge = charge
        self._opening = asyncio.ensure_future(opening)
        self._clock = clock
        self._deadline_s = deadline_s
        self._keep_alive_s = keep_alive_s
        self._first_byte_by_s = first_byte_by_s
        self._stream: UpstreamStream | None = None

    async def open(self) -> None:
        """Waits for the first good event, or for so much silence that the answer must start with a keep-alive.

        Raises GatewayError, settled, while a plain HTTP error is still possible.
        """
        remaining_s = self._remaining_s()
        if self.framing.is_events:
            patience_s = min(self._keep_alive_s, remaining_s)
        else:
            patience_s = min(max(0.0, self._first_byte_by_s - self._clock.now()), remaining_s)
        try:
            await asyncio.wait({self._opening}, timeout=patience_s)
        except asyncio.CancelledError:
            await self._abandon()
            raise
        if not self._opening.done():
            await self._open_late()
            return
        try:
            self._stream = self._opening.result()
        except UpstreamError as exc:
            await self._charge.settle(exc.outcome())
            raise exc.error from exc
        except NoAvailableUpstream:
            await self._charge.settle(NOTHING)
            raise
        except BaseException:
            await self._charge.settle(replace(NOTHING, ended=Ended.INTERNAL_ERROR))
            raise

    async def relay(self, send: SendBytes) -> bool:
        """Forwards everything to `send`, then an error event where the answer is not whole, then settles.

        False when what was sent is not whole and could not say so: the body must then not end cleanly.
        """
        interval_s = self._keep_alive_s if self.framing.is_events else None
        keep_alive = KeepAlive(send, interval_s, started_silent=self._stream is None)
        outcome = replace(NOTHING, ended=Ended.INTERNAL_ERROR, error=InternalError("The gateway failed in mid-stream."))
        try:
            outcome = await self._forward(keep_alive)
        except asyncio.CancelledError:
            outcome = self._known(Ended.DEADLINE, deadline_error())
            raise
        finally:
            keep_alive.stop()
            await self._finish(outcome, send)
        return outcome.error is None or self.framing.is_events

    async def _forward(self, keep_alive: "KeepAlive") -> Outcome:
        try:
            async with asyncio.timeout(self._remaining_s()):
                if self._stream is None:
                    self._stream = await self._opening
                async for chunk in self._stream:
                    await keep_alive.send(chunk)
        except UpstreamError as exc:
            return exc.outcome()
        except NoAvailableUpstream as exc:
            return replace(NOTHING, error=exc)
        except TimeoutError:
            return self._known(Ended.DEADLINE, deadline_error())
        return self._stream.outcome()

    async def _finish(self, outcome: Outcome, send: SendBytes) -> None:
        """Reports a failure, then settles, then closes the upstream: each also when the one before it failed."""
        try:
            await self._report_failure(outcome, send)
        finally:
            try:
                await self._charge.settle(outcome)
            finally:
                await self._abandon_upstream()

    async def _open_late(self) -> None:
        """Events start with a keep-alive; a body without room for one has no answer by the deadline."""
        if not self.framing.is_events:
            await self._abandon()
            raise deadline_error()

    async def _report_failure(self, outcome: Outcome, send: SendBytes) -> None:
        if outcome.error is not None and self.framing.error is not None:
            # A client that does not read gets an unfinished stream without [DONE]; the call is settled all the same.
            with suppress(OSError):
                async with asyncio.timeout(ERROR_EVENT_TIMEOUT_S):
                    await send(self.framing.error(outcome.error))

    def _known(self, ended: Ended, error: GatewayError) -> Outcome:
        """The outcome so far of an answer that we end ourselves."""
        if self._stream is None:
            return Outcome(Usage(), UsageSource.NONE, ended, error)
        known = self._stream.outcome()
        return known if known.ended is Ended.COMPLETE else replace(known, ended=ended, error=error)

    def _remaining_s(self) -> float:
        return max(0.0, self._deadline_s - self._clock.now())

    async def _abandon(self) -> None:
        await self._charge.settle(self._known(Ended.DEADLINE, deadline_error()))
        await self._abandon_upstream()

    async def _abandon_upstream(self) -> None:
        """Closes also a stream that was opened in the moment before its request was cancelled."""
        self._opening.cancel()
        opened = self._opening.done() and not self._opening.cancelled() and self._opening.exception() is None
        stream = self._opening.result() if opened else self._stream
        if stream is not None:
            await stream.aclose()


class KeepAlive:
    """Wraps a `send` of whole events: after `interval_s` without one a comment goes out between two of them.

    Without comments in times of silence, proxies and clients would give up on a thinking model. One timer a stream,
    re-armed only when it fires, so a busy stream pays one clock reading a chunk. Without an interval there are no
    comments: not every body has room for one. ASGI servers may raise OSError from `send` once the client has left
    (ASGI 2.4); others drop what is sent.
    """

    def __init__(self, send: SendBytes, interval_s: float | None, *, started_silent: bool) -> None:
        self._send = send
        self._interval_s = interval_s or 0.0
        self._loop = asyncio.get_running_loop()
        self._last = self._loop.time() - (self._interval_s if started_silent else 0.0)
        self._sending = False
        self._gone = False
        self._comment: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        if interval_s is not None:
            self._timer = self._loop.call_later(0.0 if started_silent else interval_s, self._tick)

    async def send(self, chunk: bytes) -> None:
        """Sends nothing more to a client that has left; the stream is still read to its end."""
        if self._comment is not None and not self._comment.done():
            await asyncio.wait({self._comment})
        if self._gone:
            return
        self._sending = True
        try:
            await self._send(chunk)
        except OSError:
            self._gone = True
        self._sending = False
        self._last = self._loop.time()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._comment is not None:
            self._comment.cancel()

    def _tick(self) -> None:
        now = self._loop.time()
        silent_s = now - self._last
        if silent_s >= self._interval_s and not self._sending and not self._gone:
            self._last, silent_s = now, 0.0
            self._comment = self._loop.create_task(self._send_comment())
        self._timer = self._loop.call_later(max(0.01, self._interval_s - silent_s), self._tick)

    async def _send_comment(self) -> None:
        try:
            await self._send(COMMENT)
        except OSError:
            self._gone = True


class StreamedResponse(Response):
    """A StreamedAnswer as an ASGI response; its call is settled before the response ends.

    Bytes go out as they come; a client that left is not noticed and its call runs to its end. An answer that is cut
    short and has no words for it (audio) gets no clean end either: the server closes the connection of a response
    that was never completed.
    """

    def __init__(self, stream: StreamedAnswer) -> None:
        super().__init__()
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The start goes out with the first chunk, inside of `relay`, so that a failure there is settled as well."""
        started = False
        start = [(b"content-type", self._stream.framing.media_type.encode()), *UNBUFFERED]

        async def send_chunk(chunk: bytes) -> None:
            nonlocal started
            if not started:
                started = True
                await send({"type": "http.response.start", "status": 200, "headers": start})
            await send({"type": "http.response.body", "body": chunk, "more_body": True})

        whole = await self._stream.relay(send_chunk)
        if whole:
            with suppress(OSError):
                await send({"type": "http.response.body", "body": b"", "more_body": False})


def response(answer: Mapping[str, Any] | StreamedAnswer) -> Response:
    """A whole answer as JSON, or a stream."""
    if isinstance(answer, StreamedAnswer):
        return StreamedResponse(answer)
    return Response(encode(answer), media_type="application/json")
