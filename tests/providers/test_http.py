"""The HTTP client against a raw server on the loopback: what really happens on a socket."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from multiconnection.calls.upstream import UpstreamError
from multiconnection.chat.upstream import OpenAiCompatible
from multiconnection.errors import UpstreamTimeout
from multiconnection.providers.errors import AnswerTimedOut, ConnectFailed, ConnectionCut, TransportFailure
from multiconnection.providers.http import AiohttpClient, Reply, read_body
from multiconnection.usage import Ended
from tests.support.provider_fakes import ANSWER, DONE, a_call, a_provider, cost_of, usage_chunk

Handler = Callable[[bytes, bytes, asyncio.StreamWriter], Awaitable[None]]
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"


def framed(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


class Server:
    """Counts connections and requests; the handler writes the answer as bytes."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.connections = 0
        self.url = ""
        self.gone = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                await self.handler(head, await reader.readexactly(length), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.gone.set()
        finally:
            writer.close()


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[tuple[Server, AiohttpClient]]:
    server, client = Server(handler), AiohttpClient()
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1"
    try:
        yield server, client
    finally:
        await client.aclose()
        listener.close()
        await listener.wait_closed()


async def post(client: AiohttpClient, url: str, body: bytes = b"{}", **timeouts: float) -> Reply:
    settings: dict[str, Any] = {"connect_timeout_s": 5, "first_byte_timeout_s": 5, "idle_timeout_s": 5} | timeouts
    return await client.post(url, {"content-type": "application/json"}, body, **settings)


def answering(*pieces: bytes) -> Handler:
    async def handle(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"".join(pieces))
        await writer.drain()

    return handle


async def test_nothing_but_our_headers_is_sent_and_redirects_are_not_followed() -> None:
    heads = []

    async def handle(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        heads.append(head.lower())
        writer.write(b"HTTP/1.1 307 X\r\nlocation: /elsewhere\r\nset-cookie: a=b\r\ncontent-length: 0\r\n\r\n")

    async with serving(handle) as (server, client):
        for _ in range(2):
            reply = await post(client, server.url)
            assert reply.status == 307
            reply.close()
    names = {line.split(b":")[0] for head in heads for line in head.split(b"\r\n")[1:] if line}
    assert names == {b"host", b"accept", b"accept-encoding", b"content-type", b"content-length", b"user-agent"}
    assert b"accept-encoding: identity" in heads[0]
    assert len(heads) == 2


async def test_a_compressed_answer_is_read_all_the_same() -> None:
    packed = gzip.compress(b"hello" * 1000)
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(packed)
    async with serving(answering(head, packed)) as (server, client):
        assert await read_body(await post(client, server.url)) == b"hello" * 1000


async def test_a_large_body_is_sent_whole() -> None:
    sizes = []

    async def handle(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        sizes.append(len(body))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    async with serving(handle) as (server, client):
        assert await read_body(await post(client, server.url, b"x" * 6_000_000)) == b"ok"
    assert sizes == [6_000_000]


async def test_a_refused_connection() -> None:
    client = AiohttpClient()
    with pytest.raises(ConnectFailed):
        await post(client, "http://127.0.0.1:1/v1")
    with pytest.raises(ConnectFailed):
        await post(client, "nonsense://127.0.0.1/v1")
    await client.aclose()


async def test_plain_http_where_tls_was_expected() -> None:
    async with serving(answering(b"")) as (server, client):
        with pytest.raises(TransportFailure):
            await post(client, server.url.replace("http:", "https:"), connect_timeout_s=1)


async def test_no_answer_in_time() -> None:
    async with serving(answering()) as (server, client):
        with pytest.raises(AnswerTimedOut):
            await post(client, server.url, first_byte_timeout_s=0.05)
        await asyncio.wait_for(server.gone.wait(), 5)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200", b"nonsense\r\n\r\n"])
async def test_a_connection_closed_or_misused_before_the_headers(answer: bytes) -> None:
    async def handle(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    async with serving(handle) as (server, client):
        with pytest.raises(ConnectionCut):
            await post(client, server.url)


@pytest.mark.parametrize("frame", [b"5\r\nab", b"2\r\nab\r\n", b"zz\r\nab"])
async def test_a_chunked_body_that_breaks_is_no_clean_end(frame: bytes) -> None:
    async def handle(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED + frame)
        writer.close()

    async with serving(handle) as (server, client):
        with pytest.raises(ConnectionCut):
            await read_body(await post(client, server.url))


async def test_comments_do_not_keep_a_silent_stream_alive() -> None:
    async def handle(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED + framed(*ANSWER[:3]))
        while not writer.is_closing():
            writer.write(framed(b": keep-alive\n\n"))
            await asyncio.sleep(0.02)

    async with serving(handle) as (server, client):
        provider = replace(a_provider(), base_url=server.url, idle_timeout_s=0.2)
        stream = await OpenAiCompatible(client).stream(provider, a_call(), cost_of)
        items = [item async for item in stream]
        await asyncio.wait_for(server.gone.wait(), 5)
    assert b"".join(items).count(b"data: ") == 3
    assert stream.outcome().ended is Ended.MID_STREAM_ERROR
    assert isinstance(stream.outcome().error, UpstreamTimeout)


async def test_silence_before_the_first_event_is_a_timeout_too() -> None:
    async with serving(answering(CHUNKED)) as (server, client):
        provider = replace(a_provider(), base_url=server.url, idle_timeout_s=0.1)
        with pytest.raises(UpstreamError) as caught:
            await OpenAiCompatible(client).stream(provider, a_call(), cost_of)
    assert isinstance(caught.value.error, UpstreamTimeout)


async def test_a_slow_reader_is_not_the_providers_silence() -> None:
    async with serving(answering(CHUNKED, framed(*ANSWER[:2]))) as (server, client):
        reply = await post(client, server.url, idle_timeout_s=0.05)
        assert await reply.read()
        await asyncio.sleep(0.15)  # the reader is busy elsewhere for longer than the time-out
        reply.idle_since = asyncio.get_running_loop().time()
        with pytest.raises(AnswerTimedOut):
            await reply.read()


async def test_the_connection_is_used_again_after_a_whole_stream() -> None:
    async with serving(answering(CHUNKED, framed(*ANSWER, usage_chunk(), DONE), b"0\r\n\r\n")) as (server, client):
        provider = replace(a_provider(), base_url=server.url)
        for _ in range(3):
            stream = await OpenAiCompatible(client).stream(provider, a_call(), cost_of)
            assert [item async for item in stream][-1] == DONE
            await stream.aclose()
        assert server.connections == 1


async def test_a_server_that_keeps_the_connection_open_after_done_holds_nobody_up() -> None:
    async with serving(answering(CHUNKED, framed(*ANSWER, DONE))) as (server, client):
        stream = await OpenAiCompatible(client).stream(replace(a_provider(), base_url=server.url), a_call(), cost_of)
        async with asyncio.timeout(2):
            items = [item async for item in stream]
        assert items[-1] == DONE
        await asyncio.wait_for(server.gone.wait(), 5)


async def test_a_slow_first_token_lets_the_role_through() -> None:
    go_on = asyncio.Event()

    async def handle(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED + framed(ANSWER[0]))
        await go_on.wait()
        writer.write(framed(*ANSWER[1:], DONE) + b"0\r\n\r\n")

    async with serving(handle) as (server, client):
        stream = await OpenAiCompatible(client).stream(replace(a_provider(), base_url=server.url), a_call(), cost_of)
        items = aiter(stream)
        assert b"assistant" in await anext(items)
        go_on.set()
        assert [item async for item in items][-1] == DONE


async def test_cancelling_before_the_first_event_drops_the_connection() -> None:
    async with serving(answering(CHUNKED)) as (server, client):
        provider = replace(a_provider(), base_url=server.url)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await OpenAiCompatible(client).stream(provider, a_call(), cost_of)
        await asyncio.wait_for(server.gone.wait(), 5)


async def test_closing_in_mid_stream_drops_the_connection_and_keeps_the_outcome() -> None:
    async with serving(answering(CHUNKED, framed(*ANSWER[:3]))) as (server, client):
        stream = await OpenAiCompatible(client).stream(replace(a_provider(), base_url=server.url), a_call(), cost_of)
        items = aiter(stream)
        await anext(items)
        waiting = asyncio.ensure_future(anext(items, None))
        await asyncio.sleep(0)
        await stream.aclose()
        while (await waiting) is not None:
            waiting = asyncio.ensure_future(anext(items, None))
        await asyncio.wait_for(server.gone.wait(), 5)
    assert stream.outcome().ended is Ended.DEADLINE
    assert stream.outcome().error is None
