"""Keep-alives: in silence only, between events only, and never to a client that has left."""

import asyncio

import pytest

from multiconnection.calls.streaming import COMMENT, KeepAlive

pytestmark = pytest.mark.virtual_time


EVENT = b"data: {}\n\n"


class Wire:
    """A client that takes `byte_s` for each byte and notes when it had the whole of each chunk."""

    def __init__(self, byte_s: float = 0.0, gone_after: int | None = None) -> None:
        self.bytes = b""
        self.chunks: list[tuple[float, bytes]] = []
        self._byte_s = byte_s
        self._gone_after = gone_after

    async def send(self, chunk: bytes) -> None:
        if self._gone_after is not None and len(self.chunks) >= self._gone_after:
            raise BrokenPipeError
        for byte in chunk:
            self.bytes += bytes([byte])
            await asyncio.sleep(self._byte_s)
        self.chunks.append((asyncio.get_running_loop().time(), chunk))

    @property
    def comments(self) -> list[float]:
        return [at for at, chunk in self.chunks if chunk == COMMENT]


async def test_silence_is_broken_every_interval_until_it_is_stopped() -> None:
    wire = Wire()
    keep_alive = KeepAlive(wire.send, 15, started_silent=False)
    await asyncio.sleep(50)
    keep_alive.stop()
    await asyncio.sleep(50)
    assert wire.comments == pytest.approx([15, 30, 45])


async def test_a_stream_that_starts_in_silence_starts_with_a_comment() -> None:
    wire = Wire()
    keep_alive = KeepAlive(wire.send, 15, started_silent=True)
    await asyncio.sleep(20)
    keep_alive.stop()
    assert wire.comments == pytest.approx([0, 15])


async def test_a_busy_stream_has_no_comments() -> None:
    wire = Wire()
    keep_alive = KeepAlive(wire.send, 15, started_silent=False)
    for _ in range(20):
        await asyncio.sleep(10)
        await keep_alive.send(EVENT)
    keep_alive.stop()
    assert wire.bytes == EVENT * 20


async def test_the_interval_counts_from_the_last_chunk() -> None:
    wire = Wire()
    keep_alive = KeepAlive(wire.send, 15, started_silent=False)
    await asyncio.sleep(10)
    await keep_alive.send(EVENT)
    await asyncio.sleep(20)
    keep_alive.stop()
    assert wire.comments == pytest.approx([25])


async def test_a_chunk_that_takes_long_is_never_interrupted() -> None:
    wire = Wire(byte_s=10)
    keep_alive = KeepAlive(wire.send, 15, started_silent=False)
    await keep_alive.send(EVENT)
    assert wire.bytes == EVENT
    await asyncio.sleep(15)
    keep_alive.stop()


async def test_a_comment_that_takes_long_is_never_interrupted_either() -> None:
    wire = Wire(byte_s=0.5)
    keep_alive = KeepAlive(wire.send, 15, started_silent=False)
    await asyncio.sleep(16)
    await keep_alive.send(EVENT)
    keep_alive.stop()
    assert wire.bytes == COMMENT + EVENT


async def test_a_client_that_left_is_told_nothing_more() -> None:
    wire = Wire(gone_after=1)
    keep_alive = KeepAlive(wire.send, 15, started_silent=False)
    for _ in range(3):
        await keep_alive.send(EVENT)
    await asyncio.sleep(100)
    keep_alive.stop()
    assert wire.bytes == EVENT


async def test_a_client_that_left_is_noticed_by_a_comment_too() -> None:
    wire = Wire(gone_after=0)
    keep_alive = KeepAlive(wire.send, 15, started_silent=False)
    await asyncio.sleep(20)
    await keep_alive.send(EVENT)
    keep_alive.stop()
    assert wire.bytes == b""


async def test_a_failure_that_is_not_the_clients_leaving_is_not_swallowed() -> None:
    async def send(chunk: bytes) -> None:
        raise RuntimeError("a bug")

    keep_alive = KeepAlive(send, 15, started_silent=False)
    with pytest.raises(RuntimeError, match="a bug"):
        await keep_alive.send(EVENT)
    keep_alive.stop()
