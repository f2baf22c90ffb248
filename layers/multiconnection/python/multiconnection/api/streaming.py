"""An answer in pieces as an ASGI response; the bill is settled before the response ends."""

from contextlib import suppress

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from multiconnection.services.streamed import StreamedAnswer

# No cache and no proxy's buffer between us and the client.
UNBUFFERED = [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]


class Relayed(Response):
    """Bytes go out as they come; a client that left is not noticed and its call runs to its end.

    An answer that is cut short and has no words for it (audio) gets no clean end either: the server closes the
    connection of a response that was never completed.
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
