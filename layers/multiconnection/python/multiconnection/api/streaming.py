"""Server-sent events as an ASGI response; the bill is settled before the response ends."""

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
        async def send_chunk(chunk: bytes) -> None:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})

        await send({"type": "http.response.start", "status": 200, "headers": list(SSE_HEADERS)})
        await self._stream.relay(send_chunk)
        await send({"type": "http.response.body", "body": b"", "more_body": False})
