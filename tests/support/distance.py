"""A server as seen from afar: a relay on 127.0.0.1 that delivers whatever is sent to the server later."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

HOST = "127.0.0.1"
READ_BYTES = 64 * 1024


@asynccontextmanager
async def at_distance(url: str, delay_s: float) -> AsyncIterator[str]:
    """The URL of the relay in front of `url`."""
    target = urlsplit(url)
    connections: set[asyncio.Task[None]] = set()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        there, back = await asyncio.open_connection(target.hostname, target.port)
        try:
            await asyncio.gather(_pump(reader, back, delay_s), _pump(there, writer, 0.0))
        except (ConnectionError, asyncio.CancelledError):
            # The end of either side, or of the relay: a connection that breaks is what the other side then sees.
            return
        finally:
            writer.close()
            back.close()
            connections.discard(task)

    server = await asyncio.start_server(relay, HOST, 0)
    try:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}"
    finally:
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    while data := await reader.read(READ_BYTES):
        await asyncio.sleep(delay_s)
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
