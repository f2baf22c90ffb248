"""One HTTP exchange over bare ASGI."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from local.demo_upstream.canned import Canned, Headers

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# A provider's own limits: the gateway must not hand them on to its callers.
PROVIDER_HEADERS: Headers = [
    (b"openai-version", b"2020-10-01"),
    (b"x-request-id", b"req_demo_upstream"),
    (b"x-ratelimit-limit-requests", b"10000"),
    (b"x-ratelimit-remaining-requests", b"9999"),
]
# Shorter pauses are slept through: waiting for two things costs half as much CPU again.
SHORT_MS = 50


class ClientGone(Exception):
    """The client closed its connection before the answer's end."""


class Exchange:
    """Reads the request's body, writes the answer, notices a client that leaves while the answer waits."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._watch: asyncio.Future[Message] | None = None

    async def body(self) -> bytes:
        """The request's whole body."""
        parts: list[bytes] = []
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                return parts[0] if len(parts) == 1 else b"".join(parts)

    async def respond(self, answer: Canned) -> None:
        """Sends a whole answer."""
        await self.start(answer.status, answer.headers)
        await self._send({"type": "http.response.body", "body": answer.body})

    async def start(self, status: int, headers: Headers) -> None:
        """Sends status and headers."""
        await self._send({"type": "http.response.start", "status": status, "headers": headers + PROVIDER_HEADERS})

    async def write(self, data: bytes) -> None:
        """Sends a part of the body; returning without `end` afterwards makes the server drop the connection."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        """Ends the body properly."""
        await self._send({"type": "http.response.body", "body": b""})

    async def pause(self, delay_ms: int | None) -> None:
        """Waits; None is for ever. Raises ClientGone as soon as the client leaves."""
        if delay_ms == 0:
            return
        if self._watch is None:
            self._watch = asyncio.ensure_future(self._receive())
        if delay_ms is not None and delay_ms < SHORT_MS:
            await asyncio.sleep(delay_ms / 1000)
        else:
            await asyncio.wait((self._watch,), timeout=None if delay_ms is None else delay_ms / 1000)
        if self._watch.done():
            raise ClientGone

    def close(self) -> None:
        """Stops watching the client."""
        if self._watch is not None:
            self._watch.cancel()
