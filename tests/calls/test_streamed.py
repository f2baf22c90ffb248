"""A stream on its way: late openings, slow and absent clients, deadlines, cancellation; always settled, never lying."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from multiconnection.calls.streaming import COMMENT, ERROR_EVENT_TIMEOUT_S, StreamedAnswer
from multiconnection.errors import UpstreamFailed
from multiconnection.usage import Ended, Usage, UsageSource
from tests.support.chat_world import ChatWorld, Client
from tests.support.event_stream import without_comments
from tests.support.fake_upstream import DONE, TEXT, USAGE, Attempt, failed, outcome

pytestmark = pytest.mark.virtual_time


COST = 10 * 1000 + 4 * 250 + 3 * 2000
SO_FAR = outcome(Usage(input=10, output=2), UsageSource.ESTIMATED, Ended.DEADLINE)
SO_FAR_COST = 14_000
Send = Callable[[bytes], Awaitable[None]]


async def opened(world: ChatWorld, attempt: Attempt, ends_in_s: float | None = None) -> StreamedAnswer:
    world.upstream.attempts = [attempt]
    caller = await world.caller()
    answer = await world.answer(caller, world.context(ends_in_s and world.clock.now() + ends_in_s), stream=True)
    assert isinstance(answer, StreamedAnswer)
    return answer


async def test_bytes_are_forwarded_as_they_come_and_the_bill_comes_after_done() -> None:
    world, client = ChatWorld(), Client()
    stream = await opened(world, Attempt(chunks=[TEXT[0], 5.0, TEXT[1], 5.0, DONE]))
    began = world.clock.now()
    at = []

    async def send(chunk: bytes) -> None:
        at.append(world.clock.now() - began)
        client.received.append(chunk)
        assert (await world.account()).live_holds == 1

    await stream.relay(send)
    assert client.received == [*TEXT, DONE]
    assert at == pytest.approx([0, 5, 10])
    assert (await world.settled_row()).cost == COST


async def test_silence_between_events_is_filled_with_comments() -> None:
    world, client = ChatWorld(), Client()
    stream = await opened(world, Attempt(chunks=[TEXT[0], 40.0, TEXT[1], DONE]))
    await stream.relay(client.send)
    assert client.received == [TEXT[0], COMMENT, COMMENT, TEXT[1], DONE]
    assert without_comments(client.text) == b"".join([*TEXT, DONE])


async def test_an_opening_that_takes_longer_than_a_keep_alive_starts_with_comments() -> None:
    world, client = ChatWorld(), Client()
    stream = await opened(world, Attempt(silent_s=40))
    await stream.relay(client.send)
    assert client.received == [COMMENT, COMMENT, *TEXT, DONE]
    assert client.whole
    assert (await world.settled_row()).ended is Ended.COMPLETE


async def test_a_failure_in_time_is_an_http_error_and_settled() -> None:
    world = ChatWorld()
    with pytest.raises(UpstreamFailed):
        await opened(world, Attempt(silent_s=5, raises=failed()))
    row = await world.settled_row()
    assert (row.ended, row.cost, row.attempts) == (Ended.UPSTREAM_ERROR, 0, 2)


async def test_a_failure_after_the_answer_began_with_a_comment_is_in_band() -> None:
    world, client = ChatWorld(), Client()
    stream = await opened(world, Attempt(silent_s=20, raises=failed(error=UpstreamFailed("it failed"))))
    await stream.relay(client.send)
    *comments, last = client.received
    assert set(comments) == {COMMENT}
    assert last == (
        b'data: {"error":{"message":"it failed","type":"server_error","param":null,"code":"upstream_error"}}\n\n'
    )
    row = await world.settled_row()
    assert (row.ended, row.cost) == (Ended.UPSTREAM_ERROR, 0)


async def test_a_mid_stream_failure_is_an_error_event_and_never_followed_by_done() -> None:
    world, client = ChatWorld(), Client()
    ends = outcome(USAGE, UsageSource.UPSTREAM, Ended.MID_STREAM_ERROR, UpstreamFailed("cut"))
    await (await opened(world, Attempt(chunks=TEXT, ends=ends))).relay(client.send)
    assert client.received[:-1] == TEXT
    assert client.received[-1].startswith(b'data: {"error":{"message":"cut"')
    assert DONE not in client.text
    assert b"event:" not in client.text


async def test_our_deadline_is_an_error_event_that_forbids_a_retry_of_what_was_billed() -> None:
    world, client = ChatWorld(), Client()
    stream = await opened(world, Attempt(chunks=[*TEXT, 10_000.0, DONE], so_far=SO_FAR), ends_in_s=60)
    began = world.clock.now()
    await stream.relay(client.send)
    assert world.clock.now() - began == pytest.approx(45)
    assert b'"code":"upstream_timeout"' in client.received[-1]
    assert DONE not in client.text
    row = await world.settled_row()
    assert (row.ended, row.cost) == (Ended.DEADLINE, SO_FAR_COST)


async def test_a_deadline_that_has_passed_already_still_settles() -> None:
    world, client = ChatWorld(), Client()
    stream = await opened(world, Attempt(silent_s=100), ends_in_s=5)
    await stream.relay(client.send)
    assert b'"code":"upstream_timeout"' in client.received[-1]
    assert (await world.settled_row()).cost == 0


async def test_a_client_that_left_does_not_stop_the_metering() -> None:
    world = ChatWorld()

    async def send(chunk: bytes) -> None:
        raise BrokenPipeError

    stream = await opened(world, Attempt(chunks=[TEXT[0], 100.0, TEXT[1], DONE]))
    await stream.relay(send)
    assert world.upstream.streams[0].delivered == [*TEXT, DONE]
    row = await world.settled_row()
    assert (row.ended, row.cost, row.usage_source) == (Ended.COMPLETE, COST, UsageSource.UPSTREAM)


@pytest.mark.parametrize("left_after", [0, 1, 2])
async def test_a_client_that_left_before_the_upstream_failed_is_billed_as_if_it_had_stayed(left_after: int) -> None:
    world, client = ChatWorld(), Client()

    async def send(chunk: bytes) -> None:
        if len(client.received) >= left_after:
            raise ConnectionResetError
        client.received.append(chunk)

    ends = outcome(USAGE, UsageSource.PARTIAL, Ended.MID_STREAM_ERROR, UpstreamFailed("cut"))
    await (await opened(world, Attempt(chunks=TEXT, ends=ends))).relay(send)
    row = await world.settled_row()
    assert (row.ended, row.cost) == (Ended.MID_STREAM_ERROR, COST)


@pytest.mark.parametrize("blocked_at", [1, 2, 3])
async def test_a_client_that_does_not_read_is_left_at_the_deadline_and_billed(blocked_at: int) -> None:
    world, client, never = ChatWorld(), Client(), asyncio.Event()

    async def send(chunk: bytes) -> None:
        client.received.append(chunk)
        if len(client.received) >= blocked_at:
            await never.wait()

    stream = await opened(world, Attempt(so_far=SO_FAR), ends_in_s=60)
    began = world.clock.now()
    await stream.relay(send)
    assert world.clock.now() - began == pytest.approx(45 + ERROR_EVENT_TIMEOUT_S)
    row = await world.settled_row()
    assert (row.ended, row.cost) == (Ended.DEADLINE, SO_FAR_COST)


@pytest.mark.parametrize("at", [1, 2, 3])
async def test_a_bug_in_send_is_raised_and_costs_the_caller_nothing(at: int) -> None:
    world, client = ChatWorld(), Client()

    async def send(chunk: bytes) -> None:
        client.received.append(chunk)
        if len(client.received) >= at:
            raise RuntimeError("a bug")

    stream = await opened(world, Attempt(so_far=SO_FAR))
    with pytest.raises(RuntimeError):
        await stream.relay(send)
    row = await world.settled_row()
    assert (row.ended, row.cost, row.usage_source) == (Ended.INTERNAL_ERROR, 0, UsageSource.NONE)


async def test_a_bug_in_the_dialect_is_an_error_event_and_costs_the_caller_nothing() -> None:
    world, client = ChatWorld(), Client()
    stream = await opened(world, Attempt(chunks=[TEXT[0], KeyError("a bug")], so_far=SO_FAR))
    with pytest.raises(KeyError):
        await stream.relay(client.send)
    assert b'"code":"internal_error"' in client.received[-1]
    assert DONE not in client.text
    row = await world.settled_row()
    assert (row.ended, row.cost, row.usage_source) == (Ended.INTERNAL_ERROR, 0, UsageSource.NONE)


# --- cancellation of the task around the call


async def settles_when_cancelled(world: ChatWorld, attempt: Attempt, after_s: float, *, stream: bool) -> Client:
    """The task of one call is cancelled after a time; nothing is left held and one row says what happened."""
    client = Client()
    world.upstream.attempts = [attempt]
    caller = await world.caller()
    task = asyncio.create_task(world.call(caller, client=client, stream=stream))
    await asyncio.sleep(after_s)
    assert (await world.account()).live_holds == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return client


@pytest.mark.parametrize(
    ("attempt", "after_s", "stream", "ended", "cost"),
    [
        pytest.param(Attempt(silent_s=100), 5, False, Ended.INTERNAL_ERROR, 0, id="whole"),
        pytest.param(Attempt(silent_s=100), 5, True, Ended.DEADLINE, 0, id="before the first event"),
        pytest.param(Attempt(silent_s=100), 50, True, Ended.DEADLINE, 0, id="in a late opening"),
        pytest.param(
            Attempt(chunks=[*TEXT, 100.0, DONE], so_far=SO_FAR), 5, True, Ended.DEADLINE, SO_FAR_COST, id="mid-stream"
        ),
        pytest.param(
            Attempt(chunks=[*TEXT, DONE, 100.0], so_far=outcome()), 5, True, Ended.COMPLETE, COST, id="after its end"
        ),
    ],
)
async def test_a_cancelled_call_is_settled(
    attempt: Attempt, after_s: float, stream: bool, ended: Ended, cost: int
) -> None:
    world = ChatWorld()
    await settles_when_cancelled(world, attempt, after_s, stream=stream)
    row = await world.settled_row()
    assert (row.ended, row.cost) == (ended, cost)


async def test_a_stream_that_is_cancelled_says_so_to_a_client_that_is_still_there() -> None:
    client = await settles_when_cancelled(
        ChatWorld(), Attempt(chunks=[*TEXT, 100.0, DONE], so_far=SO_FAR), 5, stream=True
    )
    assert client.received[:-1] == TEXT
    assert b'"error"' in client.received[-1]


async def test_a_blocked_send_that_is_cancelled_is_settled() -> None:
    world, never = ChatWorld(), asyncio.Event()

    async def send(chunk: bytes) -> None:
        await never.wait()

    stream = await opened(world, Attempt(so_far=SO_FAR))
    task = asyncio.create_task(stream.relay(send))
    await asyncio.sleep(5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await world.settled_row()).cost == SO_FAR_COST


class Gate:
    """Holds back one operation of the database until it is opened."""

    def __init__(self, world: ChatWorld, operation: str) -> None:
        self.reached, self.open = asyncio.Event(), asyncio.Event()
        self._driver, self._operation = world.driver.driver, operation
        world.driver.driver = self

    async def call(self, operation: str, payload: object) -> dict[str, object]:
        if operation == self._operation:
            self.reached.set()
            await self.open.wait()
        return await self._driver.call(operation, payload)  # type: ignore[arg-type]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_cancellation_while_settling_does_not_stop_the_settlement(stream: bool) -> None:
    world = ChatWorld()
    caller = await world.caller()
    gate = Gate(world, "PutItem")
    task = asyncio.create_task(world.call(caller, stream=stream))
    await gate.reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.open.set()
    await asyncio.sleep(1)
    assert (await world.settled_row()).cost == COST


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_cancellation_while_reserving_leaves_the_hold_to_the_sweeper(stream: bool) -> None:
    """The write may have happened, and no process is left that knows it."""
    world = ChatWorld()
    caller = await world.caller()
    gate = Gate(world, "UpdateItem")
    task = asyncio.create_task(world.call(caller, stream=stream))
    await gate.reached.wait()
    gate.open.set()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(900 + 120 + 61)
    await world.ledger.sweep("a1")
    image = await world.account()
    assert (image.holds, image.charged, image.available) == ({}, 0, 10**9)
    assert world.upstream.calls == []
