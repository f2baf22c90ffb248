"""The floor: a bare ASGI pass-through that makes the gateway's DynamoDB writes with the gateway's caller, and no more.

No framework, no validation, no authentication, no limits, no metering: what a billed call costs before any of it.
"""

import argparse
import os
import re

import aiohttp
from aiodynamo.credentials import Credentials
from starlette.types import Receive, Scope, Send

from benchmarks.asgi import JSON, read_body, respond, run_lifespan
from benchmarks.floor_writes import FloorWrites
from benchmarks.server import serve
from multiconnection.aws.dynamo_async import AsyncDriver

_STREAMED = re.compile(rb'"stream"\s*:\s*true')
_BASE, _SPEECH = "/v1", "/v1/audio/speech"


class Floor:
    """POST /v1/… forwards to the same path of `upstream`; GET /ready answers when the sessions are open."""

    def __init__(self, upstream: str, balances_table: str, usage_table: str) -> None:
        self._url = upstream
        self._tables = (balances_table, usage_table)
        self._aws: aiohttp.ClientSession
        self._upstream: aiohttp.ClientSession
        self._writes: FloorWrites

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await run_lifespan(receive, send, self._start, self._stop)
        elif scope["method"] == "POST":
            await self._forward(scope, await read_body(receive), send)
        else:
            await respond(send, 200, JSON, b"{}")

    async def _forward(self, scope: Scope, body: bytes, send: Send) -> None:
        hold_id, birth = await self._writes.reserve()
        url, sent = self._url + scope["path"].removeprefix(_BASE), _sent(scope)
        async with self._upstream.post(url, data=body, headers=sent) as answer:
            headers = [(b"content-type", answer.headers["content-type"].encode())]
            if _is_streamed(scope["path"], body):
                await send({"type": "http.response.start", "status": answer.status, "headers": headers})
                async for chunk in answer.content.iter_any():
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await self._writes.settle(hold_id, birth)
                await send({"type": "http.response.body", "body": b""})
            else:
                data = await answer.read()
                await self._writes.settle(hold_id, birth)
                await respond(send, answer.status, headers, data)

    async def _start(self) -> None:
        """Both sessions as the gateway makes them."""
        jar = aiohttp.DummyCookieJar()
        self._aws = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1024, ttl_dns_cache=60), cookie_jar=jar)
        self._upstream = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=60),
            cookie_jar=jar,
            timeout=aiohttp.ClientTimeout(total=None),
        )
        endpoint = os.environ["AWS_ENDPOINT_URL"]
        driver = AsyncDriver(self._aws, Credentials.auto(), os.environ["AWS_REGION"], endpoint)
        self._writes = FloorWrites(driver, *self._tables)
        await self._writes.open_account()

    async def _stop(self) -> None:
        await self._upstream.close()
        await self._aws.close()


def _is_streamed(path: str, body: bytes) -> bool:
    """Forms are answered whole; looking through their files would not be bare."""
    return path == _SPEECH or (body.startswith(b"{") and _STREAMED.search(body) is not None)


def _sent(scope: Scope) -> dict[str, str]:
    content_type = next(value for name, value in scope["headers"] if name == b"content-type")
    return {"content-type": content_type.decode(), "accept-encoding": "identity"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.floor", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True, help="base URL, ends in /v1")
    parser.add_argument("--balances", required=True, help="scratch table with the layout of Balances")
    parser.add_argument("--usage", required=True, help="scratch table with the layout of Usage")
    options = parser.parse_args()
    serve(Floor(options.upstream, options.balances, options.usage), options.port)


if __name__ == "__main__":
    main()
