"""Server-sent events as an ASGI response; the bill is settled before the response ends."""

from contextlib import suppress

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from multiconnection.services.chat_stream import StreamedChat

SSE_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


class EventStream(Response):
    """Bytes go out as they come; a client that left is not noticed and its call runs to its end."""

    def __init__(self, stream: StreamedChat) -> None:
        super().__init__()
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The start goes out with the first chunk, inside of `relay`, so that a failure there is settled as well."""
        started = False

        async def send_chunk(chunk: bytes) -> None:
            nonlocal started
            if not started:
                started = True
                await send({"type": "http.response.start", "status": 200, "headers": list(SSE_HEADERS)})
            await send({"type": "http.response.body", "body": chunk, "more_body": True})

        await self._stream.relay(send_chunk)
        with suppress(OSError):
            await send({"type": "http.response.body", "body": b"", "more_body": False})
