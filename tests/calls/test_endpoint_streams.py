"""Every paid endpoint that streams: answers that break, deadlines, silence, and clients that leave or do not read."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import orjson
import pytest

from multiconnection.calls.streaming import COMMENT
from multiconnection.providers.errors import AnswerTimedOut, ConnectionCut
from multiconnection.usage import Ended, UsageSource
from tests.support.chat_app import ChatApp
from tests.support.endpoints import ALL, NAMED_ERROR, Endpoint, EndpointWorld, Received, Stream, ask
from tests.support.event_stream import empty_events
from tests.support.fake_http import FakeReply, event_reply

pytestmark = pytest.mark.virtual_time

STREAMS = [endpoint for endpoint in ALL if endpoint.stream is not None]
EVENTS = [endpoint for endpoint in STREAMS if not endpoint.is_raw]
every_stream = pytest.mark.parametrize("endpoint", STREAMS, ids=lambda endpoint: endpoint.name)
every_stream_of_events = pytest.mark.parametrize("endpoint", EVENTS, ids=lambda endpoint: endpoint.name)


def stream_of(endpoint: Endpoint) -> Stream:
    assert endpoint.stream is not None
    return endpoint.stream


def assert_broken(endpoint: Endpoint, got: Received, code: str) -> None:
    """The caller has the begun part, and knows that it is not the whole: by an error event or by a cut body."""
    stream = stream_of(endpoint)
    assert got.status == 200
    assert stream.done not in got.content
    assert got.is_whole is not stream.is_raw
    if stream.is_raw:
        assert got.content == stream.shown
        return
    *begun, last, end = got.events.split(b"\n\n")
    assert stream.shown in b"\n\n".join([*begun, b""])
    assert (last.startswith(b'event: error\ndata: {"type":"error",'), end) == (stream.error is NAMED_ERROR, b"")
    error = orjson.loads(last.rpartition(b"data: ")[2])["error"]
    assert (error["code"], error["type"]) == (code, "server_error")


CUT = ConnectionCut("cut")
# Name: (reply, code of the error).
BREAKS: dict[str, tuple[Callable[[Stream], FakeReply], str]] = {
    "cut": (lambda stream: stream.reply(CUT), "upstream_error"),
    "silent for too long": (lambda stream: stream.reply(AnswerTimedOut("idle")), "upstream_timeout"),
    "a clean end": (lambda stream: stream.reply(), "upstream_error"),
    "an error event": (lambda stream: stream.reply(stream.error), "upstream_error"),
    "no JSON": (lambda stream: stream.reply(b"data: {torn\n\n"), "upstream_error"),
    "a list": (lambda stream: stream.reply(b"data: [1]\n\n"), "upstream_error"),
}
# Bare audio ends where its body ends, and everything in it is audio.
BREAKS_OF_BYTES = ("cut", "silent for too long")
BROKEN = [
    pytest.param(endpoint, *BREAKS[name], id=f"{name}, {endpoint.name}")
    for endpoint in STREAMS
    for name in (BREAKS if endpoint.asks_for_events else BREAKS_OF_BYTES)
]


@pytest.mark.parametrize("billed", [False, True])
@pytest.mark.parametrize(("endpoint", "make", "code"), BROKEN)
async def test_a_stream_that_breaks_says_so_and_is_charged_by_the_policy_of_the_vendor(
    endpoint: Endpoint, make: Callable[[Stream], FakeReply], code: str, billed: bool
) -> None:
    stream = stream_of(endpoint)
    world = EndpointWorld(make(stream))
    for name, provider in world.providers.items():
        quirks = replace(provider.quirks, mid_stream_error_billed=billed)
        world.providers[name] = replace(provider, quirks=quirks)
    async with ChatApp(world) as gateway:
        assert_broken(endpoint, await ask(gateway, endpoint), code)
        row = await world.settled_row()
    assert (row.ended, row.attempts) == (Ended.MID_STREAM_ERROR, 1)
    assert (row.cost, row.usage_source) == ((stream.cost, stream.source) if billed else (0, UsageSource.NONE))


@every_stream
async def test_our_own_deadline_ends_the_answer_and_charges_the_part_that_came(endpoint: Endpoint) -> None:
    stream = stream_of(endpoint)
    async with ChatApp(EndpointWorld(stream.reply(10_000.0, *stream.end))) as gateway:
        assert_broken(endpoint, await ask(gateway, endpoint), "upstream_timeout")
        row = await gateway.world.settled_row()
    assert (row.ended, row.cost, row.usage_source) == (Ended.DEADLINE, stream.cost, stream.source)


@every_stream
async def test_silence_is_bridged_by_comments_where_there_is_room_for_them(endpoint: Endpoint) -> None:
    stream = stream_of(endpoint)
    late = replace(stream, begun=stream.begun[:1]).reply(40.0, *stream.begun[1:], 40.0, *stream.end)
    async with ChatApp(EndpointWorld(late)) as gateway:
        got = await ask(gateway, endpoint)
        row = await gateway.world.settled_row()
    assert (got.is_whole, row.ended, row.cost) == (True, Ended.COMPLETE, endpoint.cost)
    assert stream.shown in (got.content if stream.is_raw else got.events)
    assert (got.content.count(COMMENT) >= 2) is not stream.is_raw
    assert stream.is_raw or empty_events(got.content) == 0


@every_stream_of_events
async def test_an_answer_that_begins_late_begins_with_a_comment(endpoint: Endpoint) -> None:
    stream = stream_of(endpoint)
    async with ChatApp(EndpointWorld(event_reply(40.0, *stream.begun, *stream.end))) as gateway:
        got = await ask(gateway, endpoint)
        row = await gateway.world.settled_row()
    assert got.pieces[0] == COMMENT
    assert (got.is_whole, row.ended, row.cost) == (True, Ended.COMPLETE, endpoint.cost)


@pytest.mark.parametrize("leaves_after", [0, 1])
@every_stream
async def test_a_client_that_left_is_charged_for_the_whole_answer(endpoint: Endpoint, leaves_after: int) -> None:
    async with ChatApp(EndpointWorld(endpoint.answer())) as gateway:
        got = await ask(gateway, endpoint, leaves_after)
        row = await gateway.world.settled_row()
    assert len(got.pieces) == leaves_after
    assert (row.ended, row.cost) == (Ended.COMPLETE, endpoint.cost)


@every_stream_of_events
async def test_an_answer_of_which_only_the_end_is_not_read_is_complete(endpoint: Endpoint) -> None:
    async with ChatApp(EndpointWorld(endpoint.answer())) as gateway:
        got = await ask(gateway, endpoint, stops_at=stream_of(endpoint).done)
        row = await gateway.world.settled_row()
    assert stream_of(endpoint).done in got.pieces[-1]
    assert (row.ended, row.cost) == (Ended.COMPLETE, endpoint.cost)


@every_stream
async def test_a_call_that_is_cancelled_is_charged_for_the_part_that_came_and_hangs_up(endpoint: Endpoint) -> None:
    stream = stream_of(endpoint)
    async with ChatApp(EndpointWorld(stream.reply(1_000.0, *stream.end))) as gateway:
        task = asyncio.ensure_future(ask(gateway, endpoint))
        await asyncio.sleep(10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        row = await gateway.world.settled_row()
    assert (row.ended, row.cost, row.usage_source) == (Ended.DEADLINE, stream.cost, stream.source)
