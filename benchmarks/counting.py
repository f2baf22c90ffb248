"""A counting proxy in front of the local DynamoDB: what a server really sends for one call, seen on the wire.

It stands there in a short run of its own, never while CPU is measured.
"""

import argparse
from collections import Counter

import aiohttp
import orjson
from starlette.types import Receive, Scope, Send

from benchmarks.asgi import JSON, read_body, respond, run_lifespan
from benchmarks.server import serve

READS = ("GetItem", "Query", "Scan", "BatchGetItem")
_HOP = (b"host", b"content-length", b"connection", b"transfer-encoding", b"accept-encoding")


class CountingProxy:
    """Forwards everything to `target`; GET /_counts returns the requests since the last GET."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._counts: Counter[str] = Counter()
        self._session: aiohttp.ClientSession

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await run_lifespan(receive, send, self._start, self._stop)
        elif scope["path"] == "/_counts":
            counts, self._counts = self._counts, Counter()
            await respond(send, 200, JSON, orjson.dumps(counts))
        else:
            await self._forward(scope, await read_body(receive), send)

    async def _forward(self, scope: Scope, body: bytes, send: Send) -> None:
        headers = {name.decode(): value.decode() for name, value in scope["headers"] if name not in _HOP}
        url = f"{self._target}{scope['path']}"
        async with self._session.request(scope["method"], url, data=body, headers=headers) as answer:
            data = await answer.read()
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        if operation:
            self._counts.update({operation: 1, "sent_bytes": len(body), "received_bytes": len(data)})
        await respond(send, answer.status, [(b"content-type", answer.headers["content-type"].encode())], data)

    async def _start(self) -> None:
        self._session = aiohttp.ClientSession(auto_decompress=False)

    async def _stop(self) -> None:
        await self._session.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.counting", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--target", required=True)
    options = parser.parse_args()
    serve(CountingProxy(options.target), options.port)


if __name__ == "__main__":
    main()
