"""The local server for clients of another HTTP version, and for those that would like to speak one."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.types import Receive, Scope, Send

from local.serve import UVICORN
from tests.support.served_gateway import served

OPTIONS = {name: UVICORN[name] for name in ("http", "ws", "timeout_keep_alive", "server_header")}
UPGRADE = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n"
HEAD = b"POST /x?y=1 HTTP/%b\r\nHost: h\r\nX-A: b\r\n%bContent-Length: %d\r\n\r\n"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Says what it was asked, in two pieces of unknown length, or in one of a known length."""
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    told = json.dumps({"query": scope["query_string"].decode(), "headers": headers, "bytes": len(body)}).encode()
    length = [(b"content-length", b"%d" % len(told))] if "x-length" in headers else []
    await send({"type": "http.response.start", "status": 200, "headers": length})
    await send({"type": "http.response.body", "body": told[:5], "more_body": True})
    await send({"type": "http.response.body", "body": told[5:]})


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with served(app, **OPTIONS) as base:
        yield base


async def exchanged(url: str, *pieces: bytes) -> bytes:
    """Everything that comes until the server closes."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0)
    async with asyncio.timeout(10):
        got = await reader.read()
    writer.close()
    return got


def told(answer: bytes) -> Any:
    body = answer.partition(b"\r\n\r\n")[2]
    if b"chunked" in answer.lower():
        body = b"".join(body.split(b"\r\n")[1::2])
    return json.loads(body)


@pytest.mark.parametrize("known", [False, True])
async def test_an_answer_to_http_1_0_is_not_in_chunks_and_ends_with_the_connection(url: str, known: bool) -> None:
    more = b"Expect: 100-continue\r\nConnection: keep-alive\r\n" + (b"X-Length: 1\r\n" if known else b"")
    got = await exchanged(url, HEAD % (b"1.0", more, 4) + b"body")
    head, _, body = got.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"transfer-encoding" not in head.lower()
    assert (b"content-length" in head.lower()) is known
    assert b"connection: close" in head.lower()
    assert json.loads(body)["bytes"] == 4


@pytest.mark.parametrize("size", [0, 4, 300_000])
@pytest.mark.parametrize("cut", [False, True])
async def test_an_upgrade_that_is_not_offered_is_ignored(url: str, size: int, cut: bool) -> None:
    """JDK's HttpClient and `curl --http2` ask for it, and send their body at once."""
    request = HEAD % (b"1.1", UPGRADE.encode(), size) + b"b" * size
    last = b"GET /z HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    pieces = [request[:30], request[30:90], request[90:], last] if cut else [request, last]
    got = await exchanged(url, *pieces)
    first, second = got.split(b"HTTP/1.1 200")[1:]
    assert (told(first)["query"], told(first)["bytes"], told(second)["bytes"]) == ("y=1", size, 0)
    assert told(first)["headers"] == {"host": "h", "x-a": "b", "content-length": str(size)}


@pytest.mark.parametrize("upgrade", ["websocket", "TLS/1.0", "h2c, websocket"])
async def test_so_is_every_other(url: str, upgrade: str) -> None:
    more = f"Connection: close, upgrade\r\nUpgrade: {upgrade}\r\nSec-WebSocket-Key: x\r\n".encode()
    got = await exchanged(url, HEAD % (b"1.1", more, 4) + b"body")
    assert told(got)["bytes"] == 4
    assert told(got)["headers"]["connection"] == "close"


async def test_a_tunnel_is_refused(url: str) -> None:
    got = await exchanged(url, b"CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n")
    assert b"200" not in got[:20]


async def test_what_is_no_request_is_refused(url: str) -> None:
    assert (await exchanged(url, b"\x16\x03\x01 nonsense\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
