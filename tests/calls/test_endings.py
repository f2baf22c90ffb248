"""The endings table: each line once, streamed and not, with its row, its charge and what the client saw."""

import asyncio
from dataclasses import dataclass, field, replace

import pytest

from multiconnection.calls.streaming import StreamedAnswer
from multiconnection.errors import RateLimited, UpstreamFailed, UpstreamRejected, UpstreamTimeout
from multiconnection.usage import Ended, Usage, UsageSource
from tests.support.chat_world import ChatWorld, Client, a_model
from tests.support.fake_upstream import DONE, TEXT, USAGE, Attempt, failed, outcome

pytestmark = pytest.mark.virtual_time


MODES = {"whole": False, "streamed": True}
COST = 10 * 1000 + 4 * 250 + 3 * 2000
ESTIMATE = Usage(input=10, output=2)
MID = UpstreamFailed("The provider's stream ended before the answer was complete.")
NONE, UPSTREAM, ESTIMATED, PARTIAL = (
    UsageSource.NONE,
    UsageSource.UPSTREAM,
    UsageSource.ESTIMATED,
    UsageSource.PARTIAL,
)


@dataclass(frozen=True)
class Ending:
    """`code` is the error the client saw, None when there was none; `modes` is where the line can happen."""

    name: str
    attempt: Attempt
    ended: Ended
    source: UsageSource
    cost: int
    code: str | None = None
    modes: tuple[str, ...] = ("whole", "streamed")
    alarms: list[str] = field(default_factory=list)


def mid_stream(usage: Usage, source: UsageSource) -> Attempt:
    return Attempt(chunks=TEXT, ends=outcome(usage, source, Ended.MID_STREAM_ERROR, MID))


ENDINGS = [
    Ending("complete with usage", Attempt(), Ended.COMPLETE, UPSTREAM, COST),
    Ending(
        "complete without usage", Attempt(ends=outcome(ESTIMATE, ESTIMATED)), Ended.COMPLETE, ESTIMATED, 10_000 + 4000
    ),
    Ending("explicit zero usage", Attempt(ends=outcome(Usage())), Ended.COMPLETE, UPSTREAM, 0),
    Ending("cumulative usage only", Attempt(ends=outcome(USAGE, PARTIAL)), Ended.COMPLETE, PARTIAL, COST),
    Ending(
        "upstream error before any token", Attempt(raises=failed()), Ended.UPSTREAM_ERROR, NONE, 0, "upstream_error"
    ),
    Ending(
        "all upstreams limited",
        Attempt(raises=failed(error=RateLimited("busy", reason="upstream", retry_after_s=30))),
        Ended.UPSTREAM_ERROR,
        NONE,
        0,
        "rate_limited",
    ),
    Ending(
        "connection timed out",
        Attempt(raises=failed(error=UpstreamTimeout("slow"))),
        Ended.UPSTREAM_ERROR,
        NONE,
        0,
        "upstream_timeout",
    ),
    Ending(
        "request refused by the provider",
        Attempt(raises=failed(elsewhere=False, error=UpstreamRejected("no", status=400, code="bad_schema"))),
        Ended.UPSTREAM_ERROR,
        NONE,
        0,
        "bad_schema",
    ),
    Ending(
        "error after a long silence",
        Attempt(raises=failed(), silent_s=40),
        Ended.UPSTREAM_ERROR,
        NONE,
        0,
        "upstream_error",
    ),
    Ending(
        "mid-stream error with usage",
        mid_stream(USAGE, UPSTREAM),
        Ended.MID_STREAM_ERROR,
        UPSTREAM,
        COST,
        "upstream_error",
        ("streamed",),
    ),
    Ending(
        "mid-stream error that the vendor bills",
        mid_stream(ESTIMATE, ESTIMATED),
        Ended.MID_STREAM_ERROR,
        ESTIMATED,
        14_000,
        "upstream_error",
        ("streamed",),
    ),
    Ending(
        "mid-stream error that the vendor does not bill",
        mid_stream(Usage(), NONE),
        Ended.MID_STREAM_ERROR,
        NONE,
        0,
        "upstream_error",
        ("streamed",),
    ),
    Ending("deadline before the first token", Attempt(silent_s=10_000), Ended.DEADLINE, NONE, 0, "upstream_timeout"),
    Ending(
        "deadline in mid-stream",
        Attempt(chunks=[*TEXT, 10_000.0, DONE], so_far=outcome(ESTIMATE, ESTIMATED, Ended.DEADLINE)),
        Ended.DEADLINE,
        ESTIMATED,
        14_000,
        "upstream_timeout",
        ("streamed",),
    ),
    Ending(
        "deadline in mid-stream with usage so far",
        Attempt(chunks=[*TEXT, 10_000.0, DONE], so_far=outcome(USAGE, PARTIAL, Ended.DEADLINE)),
        Ended.DEADLINE,
        PARTIAL,
        COST,
        "upstream_timeout",
        ("streamed",),
    ),
    Ending(
        "whole answer whose connection hangs until the deadline",
        Attempt(chunks=[*TEXT, DONE, 10_000.0], so_far=outcome(USAGE, UPSTREAM, Ended.COMPLETE)),
        Ended.COMPLETE,
        UPSTREAM,
        COST,
        None,
        ("streamed",),
    ),
]
CASES = [pytest.param(case, mode, id=f"{case.name}, {mode}") for case in ENDINGS for mode in case.modes]


def code_seen(client: Client) -> str | None:
    """The error of a status, or the one that the last event reports in-band."""
    if client.refused is not None:
        return client.refused.code
    if client.received and b'"error"' in client.received[-1]:
        return client.received[-1].partition(b'"code":"')[2].partition(b'"')[0].decode()
    return None


@pytest.mark.parametrize(("ending", "mode"), CASES)
async def test_each_line_of_the_endings_table(ending: Ending, mode: str) -> None:
    world = ChatWorld()
    world.upstream.attempts = [ending.attempt]
    client = await world.call(await world.caller(), stream=MODES[mode])
    row = await world.settled_row()
    assert (row.ended, row.usage_source, row.cost) == (ending.ended, ending.source, ending.cost)
    assert code_seen(client) == ending.code
    assert client.whole == (ending.code is None and MODES[mode])
    if ending.code is not None:
        assert client.body is None
        assert DONE not in client.text
    assert (await world.account()).available == 10**9 - ending.cost
    assert world.alarms.raised == ending.alarms


@pytest.mark.parametrize("mode", MODES)
async def test_a_cost_above_the_hold_is_charged_up_to_the_hold_and_alarmed(mode: str) -> None:
    world = ChatWorld()
    world.upstream.attempts = [Attempt(ends=outcome(Usage(input=10, output=10**6)))]
    await world.call(await world.caller(), stream=MODES[mode], max_tokens=1)
    row = await world.settled_row()
    assert row.cost == row.hold
    assert row.cost + row.overrun == 10 * 1000 + 10**6 * 2000
    assert world.alarms.raised == ["overrun"]


@pytest.mark.parametrize("mode", MODES)
async def test_a_report_that_is_not_believed_is_an_overrun_and_never_counts_in_the_limits(mode: str) -> None:
    """500 million tokens for "hi" used to take the whole hold, and then the account's tokens for eight hours."""
    world = ChatWorld()
    claimed = Usage(input=500_000_000, output=5)
    ends = replace(outcome(Usage(input=10, output=5), ESTIMATED), disbelieved=claimed)
    world.upstream.attempts = [Attempt(ends=ends)]
    caller = await world.caller()
    await world.call(caller, stream=MODES[mode], max_tokens=100)
    row = await world.settled_row()
    assert (row.cost, row.usage.prompt_tokens) == (10 * 1000 + 5 * 2000, 10)
    assert row.cost + row.overrun == 500_000_000 * 1000 + 5 * 2000
    assert row.cost < row.hold
    assert world.alarms.raised == ["overrun"]
    await world.call(caller, max_tokens=1)
    tokens = world.limiter.state(caller.api_key.rates).tokens
    assert tokens.limit - tokens.remaining < 200


@pytest.mark.parametrize(("output", "overrun"), [(1000, 0), (999, 0), (1001, 2000)])
async def test_a_cost_of_exactly_the_hold_is_no_overrun(output: int, overrun: int) -> None:
    """The smallest request fills this context window, so its bound is known by hand."""
    world = ChatWorld(a_model(context_window=30))
    world.upstream.attempts = [Attempt(ends=outcome(Usage(input=30, output=output)))]
    await world.call(await world.caller())
    row = await world.settled_row()
    assert (row.hold, row.overrun) == (30 * 1000 + 1000 * 2000, overrun)
    assert row.cost == min(30 * 1000 + output * 2000, row.hold)


@pytest.mark.parametrize("mode", MODES)
async def test_an_error_of_our_own_costs_nothing_and_leaves_a_row(mode: str) -> None:
    world = ChatWorld()
    world.upstream.attempts = [Attempt(raises=KeyError("a bug"))]
    caller = await world.caller()
    with pytest.raises(KeyError):
        await world.call(caller, stream=MODES[mode])
    row = await world.settled_row()
    assert (row.ended, row.usage_source, row.cost) == (Ended.INTERNAL_ERROR, NONE, 0)


async def test_a_killed_process_leaves_the_call_to_the_sweeper_at_no_cost() -> None:
    world = ChatWorld()
    caller = await world.caller()
    await world.answer(caller, stream=True)
    assert (await world.ledger.sweep("a1")).waiting == 1
    await asyncio.sleep(900 + 120 + 61)
    assert (await world.ledger.sweep("a1")).ended == 1
    (row,) = await world.rows()
    assert (row.ended, row.usage_source, row.cost) == (Ended.KILLED, NONE, 0)
    assert (row.decided_by, row.model) == ("sweeper", "m-1")
    assert (await world.account()).available == 10**9


async def test_a_call_that_ends_after_its_hold_was_swept_is_not_charged_twice() -> None:
    world = ChatWorld()
    stream = await world.answer(await world.caller(), stream=True)
    assert isinstance(stream, StreamedAnswer)
    await asyncio.sleep(900 + 120 + 61)
    await world.ledger.sweep("a1")
    await stream.relay(Client().send)
    (row,) = await world.rows()
    assert (row.ended, row.cost, (await world.account()).charged) == (Ended.KILLED, 0, 0)
