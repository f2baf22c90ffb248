"""SSE comments in times of silence, so that no proxy or client gives up on a thinking model.

ASGI servers may raise OSError from `send` once the client has left (ASGI 2.4); others drop what is sent.
"""

import asyncio
from collections.abc import Awaitable, Callable

# A line of its own, not an event: with a blank line behind it, openai-go before 3.43 takes it for an empty event and
# stops there.
COMMENT = b": keep-alive\n"


class KeepAlive:
    """Wraps a `send` of whole events: after `interval_s` without one a comment goes out between two of them.

    One timer a stream, re-armed only when it fires, so a busy stream pays one clock reading a chunk. Without an
    interval there are no comments: not every body has room for one.
    """

    def __init__(
        self, send: Callable[[bytes], Awaitable[None]], interval_s: float | None, *, started_silent: bool
    ) -> None:
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
        """A client that left is told nothing more, and the stream is still read to its end."""
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
