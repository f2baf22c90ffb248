"""A chat from its body to its charge: what is sent upstream, what the caller sees, what is charged."""

import asyncio
from typing import Any

import pytest

from multiconnection.aws.dynamo import Driver
from multiconnection.calls.streaming import StreamedAnswer
from multiconnection.errors import (
    GatewayError,
    InsufficientBalance,
    ModelNotAllowed,
    ModelNotFound,
    ParameterMissing,
    ParameterUnsupported,
    RateLimited,
    UpstreamTimeout,
)
from multiconnection.history.price_lines import price_lines
from multiconnection.ledger.models import AccountLimits
from multiconnection.money import nano_to_decimal, nano_to_usd
from multiconnection.retry import StoreThrottled
from multiconnection.usage import Ended, Usage, UsageSource
from tests.support.chat_bodies import PIXEL, content, parsed
from tests.support.chat_world import ChatWorld, a_model
from tests.support.fake_upstream import DONE, TEXT, USAGE, Attempt, failed, outcome
from tests.support.virtual_time import START_S

pytestmark = pytest.mark.virtual_time


# 10 at 1,000 n$, 4 cached at 250, 3 out at 2,000.
COST = 10 * 1000 + 4 * 250 + 3 * 2000
BOTH = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


async def test_a_whole_answer_carries_its_usage_and_its_cost() -> None:
    world = ChatWorld()
    answer = await world.answer(await world.caller())
    assert not isinstance(answer, StreamedAnswer)
    assert answer["id"] == "chatcmpl-1"
    assert answer["usage"] == USAGE.as_openai() | {"cost": nano_to_decimal(COST)}
    assert (await world.settled_row()).cost == COST


async def test_an_answer_without_usage_carries_an_estimate_and_says_so() -> None:
    world = ChatWorld()
    world.upstream.attempts = [Attempt(ends=outcome(Usage(input=9, output=2), UsageSource.ESTIMATED))]
    answer = await world.answer(await world.caller())
    assert not isinstance(answer, StreamedAnswer)
    assert answer["usage"]["estimated"] is True
    assert answer["usage"]["prompt_tokens"] == 9
    assert answer["usage"]["cost"] == nano_to_decimal(9 * 1000 + 2 * 2000)


async def test_the_cost_in_a_stream_is_what_will_be_charged_and_never_more_than_the_hold() -> None:
    world = ChatWorld()
    await world.call(await world.caller(), stream=True, max_tokens=1)
    (cost_of,) = world.upstream.costs
    assert cost_of(USAGE) == nano_to_decimal(COST)
    hold = parsed(stream=True, max_tokens=1).bind(a_model(), 0).bound.hold_nano
    assert cost_of(Usage(output=10**6)) == nano_to_decimal(hold)


@BOTH
async def test_the_upstream_gets_the_bound_that_was_paid_for(stream: bool) -> None:
    world = ChatWorld()
    await world.call(await world.caller(), stream=stream, n=2, max_tokens=5000, top_k=5)
    ((provider, call),) = world.upstream.calls
    assert (provider, call.upstream_model, call.output_tokens_max, call.choices) == ("one", "m-1-one", 1000, 2)
    assert call.body["top_k"] == 5
    assert call.streamed is stream
    assert 0 < call.prompt_tokens_estimate <= call.prompt_tokens_max


@BOTH
async def test_the_row_says_everything_about_the_call(stream: bool) -> None:
    world = ChatWorld()
    world.upstream.attempts = [Attempt(silent_s=3)]
    caller, context = await world.caller(), world.context()
    answer = await world.answer(caller, context, stream=stream)
    if isinstance(answer, StreamedAnswer):
        await answer.relay(lambda chunk: asyncio.sleep(0))
    row = await world.settled_row()
    assert (row.hold_id, row.key_id) == (context.hold_id, caller.api_key.key_id)
    assert (row.model, row.price_version, row.provider, row.attempts) == ("m-1", 7, "one", 1)
    assert (row.usage, row.usage_source, row.ended) == (USAGE, UsageSource.UPSTREAM, Ended.COMPLETE)
    assert (row.endpoint, row.streamed, row.decided_by) == ("chat.completions", stream, "gateway")
    assert (row.duration_ms, row.overrun) == (3000, 0)
    assert row.created_ms == int((START_S + 3) * 1000)


@BOTH
async def test_a_failure_and_then_a_success_elsewhere_is_one_charge_and_one_row(stream: bool) -> None:
    world = ChatWorld()
    world.upstream.attempts = [Attempt(raises=failed()), Attempt()]
    client = await world.call(await world.caller(), stream=stream)
    assert client.refused is None
    row = await world.settled_row()
    assert (row.cost, row.provider, row.attempts) == (COST, "two", 2)
    assert (await world.account()).available == 10**9 - COST


@BOTH
async def test_a_markup_is_part_of_hold_charge_and_shown_cost(stream: bool) -> None:
    world = ChatWorld(environment={"MARKUP_BASIS_POINTS": "1000"})
    seen = await world.call(await world.caller(), stream=stream)
    row = await world.settled_row()
    assert row.cost == COST * 11 // 10
    assert price_lines(row, a_model())[-1].kind != "adjustment"
    assert row.hold == parsed(stream=stream).bind(a_model(), 1000).bound.hold_nano
    assert seen.body is None or seen.body["usage"]["cost"] == nano_to_decimal(row.cost)


async def test_a_long_prompt_is_charged_at_the_long_price() -> None:
    long = {"above_input_tokens": 13, "prices": {"input": "2.00", "cached_input": "0.50", "output": "3.00"}}
    world = ChatWorld(a_model(long_context=long))
    await world.call(await world.caller())
    assert (await world.settled_row()).cost == 10 * 2000 + 4 * 500 + 3 * 3000


@BOTH
async def test_an_open_ended_call_is_shortened_to_the_balance(stream: bool) -> None:
    world = ChatWorld()
    fixed = parsed(stream=stream).bind(a_model(), 0).bound.with_output(0).hold_nano
    await world.call(await world.caller(nano_to_usd(fixed + 70 * 2000)), stream=stream)
    assert world.upstream.calls[0][1].output_tokens_max == 70
    assert (await world.settled_row()).cost == COST


@BOTH
async def test_a_402_tells_what_is_affordable_and_following_it_is_served(stream: bool) -> None:
    world = ChatWorld()
    fixed = parsed(stream=stream).bind(a_model(), 0).bound.with_output(0).hold_nano
    caller = await world.caller(nano_to_usd(fixed + 40 * 2000))
    refused = (await world.call(caller, stream=stream)).refused
    assert isinstance(refused, InsufficientBalance)
    affordable = refused.details["affordable_max_tokens"]
    assert affordable == 40
    client = await world.call(caller, stream=stream, max_tokens=affordable)
    assert client.refused is None
    assert (await world.settled_row()).cost == COST


@BOTH
async def test_two_calls_for_the_money_of_one_are_one_answer_and_one_429(stream: bool) -> None:
    world = ChatWorld()
    world.upstream.attempts = [Attempt(silent_s=1)]
    hold = parsed(stream=stream).bind(a_model(), 0).bound.with_output(500).hold_nano
    caller = await world.caller(nano_to_usd(hold + 5000))
    clients = await asyncio.gather(*(world.call(caller, stream=stream, max_tokens=500) for _ in range(2)))
    refused = [client.refused for client in clients if client.refused]
    assert len(refused) == 1
    assert isinstance(refused[0], RateLimited)
    assert refused[0].details == {"reason": "in_flight"}
    assert (await world.settled_row()).cost == COST


async def test_a_keys_budget_gets_the_rest_of_its_hold_back() -> None:
    world = ChatWorld()
    caller = await world.caller(budget_nano=10**7)
    await world.call(caller, max_tokens=10)
    await world.settled_row()
    assert (await world.account()).key_caps == {caller.api_key.key_id: 10**7 - COST}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"model": "nothing"}, ModelNotFound),
        ({"messages": []}, GatewayError),
        ({"messages": [{"content": "hi"}]}, ParameterMissing),
        ({"best_of": 2}, ParameterUnsupported),
        ({"messages": content(PIXEL, {"type": "file"})}, ParameterUnsupported),
    ],
)
async def test_what_is_refused_for_itself_touches_no_money_no_limit_and_no_upstream(
    body: dict[str, Any], kind: type[GatewayError]
) -> None:
    world = ChatWorld()
    caller = await world.caller()
    world.driver.calls.clear()
    refused = (await world.call(caller, **body)).refused
    assert isinstance(refused, kind)
    assert world.driver.calls == []
    assert world.upstream.calls == []


async def test_a_key_that_may_not_use_a_model_is_refused() -> None:
    world = ChatWorld(a_model(), a_model(id="m-2", code="m02", aliases=[]))
    caller = await world.caller(models=("m-2",))
    with pytest.raises(ModelNotAllowed) as caught:
        await world.answer(caller)
    assert caught.value.param == "model"
    assert not isinstance(await world.answer(caller, model="m-2"), StreamedAnswer)


async def test_an_alias_is_charged_as_its_model() -> None:
    world = ChatWorld()
    await world.call(await world.caller(models=("m-1",)), model="m-1-latest")
    assert (await world.settled_row()).model == "m-1"


async def test_a_limit_is_counted_before_any_money_is_held_and_corrected_afterwards() -> None:
    world = ChatWorld()
    caller = await world.caller(tokens_per_minute=10_000)
    before = world.limiter.state(caller.api_key.rates).tokens.remaining
    await world.call(caller, max_tokens=1000)
    after = world.limiter.state(caller.api_key.rates).tokens.remaining
    assert before - after == USAGE.prompt_tokens + USAGE.completion_tokens
    long = [{"role": "user", "content": "x" * 50_000}]
    with pytest.raises(RateLimited) as caught:
        await world.answer(caller, messages=long)
    assert caught.value.details == {"reason": "key_tokens"}
    assert (caught.value.type, caught.value.headers()["x-should-retry"]) == ("tokens", "false")
    assert (await world.account()).holds == {}


async def test_a_limit_far_above_the_models_maximum_is_counted_as_the_maximum() -> None:
    world = ChatWorld()
    caller = await world.caller(tokens_per_minute=5000)
    assert (await world.call(caller, max_tokens=10**6)).refused is None


async def test_an_accounts_own_limits_count_once_its_image_was_seen() -> None:
    world = ChatWorld()
    caller = await world.caller(limits=AccountLimits(requests_per_minute=2))
    refused = [(await world.call(caller)).refused for _ in range(5)]
    assert [error is None for error in refused[:2]] == [True, True]
    assert isinstance(refused[-1], RateLimited)


async def test_a_hold_outlives_its_function() -> None:
    world = ChatWorld()
    world.upstream.attempts = [Attempt(silent_s=1)]
    task = asyncio.create_task(world.call(await world.caller()))
    await asyncio.sleep(0.5)
    (hold,) = (await world.account()).holds.values()
    assert hold.expires_s == int(START_S + 900 + 120)
    await task


@pytest.mark.parametrize(("in_s", "lasts_s"), [(60, 45), (5000, 285), (None, 285), (200, 185), (10, 0)])
async def test_the_functions_own_end_counts_when_it_is_earlier(in_s: int | None, lasts_s: int) -> None:
    world = ChatWorld()
    world.upstream.attempts = [Attempt(silent_s=10_000)]
    caller, began_s = await world.caller(), world.clock.now()
    with pytest.raises(UpstreamTimeout) as caught:
        await world.answer(caller, world.context(in_s and began_s + in_s))
    assert world.clock.now() - began_s == pytest.approx(lasts_s)
    assert caught.value.headers() == {"x-should-retry": "false"}
    assert (await world.settled_row()).ended is Ended.DEADLINE


class Flaky:
    """A driver that refuses some operations a number of times."""

    def __init__(self, driver: Driver, operation: str, times: int) -> None:
        self._driver, self._operation, self._times = driver, operation, times

    async def call(self, operation: str, payload: object) -> dict[str, object]:
        if operation == self._operation and self._times:
            self._times -= 1
            raise StoreThrottled("busy")
        return await self._driver.call(operation, payload)  # type: ignore[arg-type]


@BOTH
async def test_a_usage_table_that_is_down_leaves_the_decision_to_the_queue(stream: bool) -> None:
    world = ChatWorld()
    caller = await world.caller()
    world.driver.driver = Flaky(world.driver.driver, "PutItem", 100)
    client = await world.call(caller, stream=stream)
    assert client.refused is None
    assert client.received[-1:] == ([DONE] if stream else [])
    assert [row.cost for row in world.queue.rows] == [COST]
    assert world.alarms.raised == ["decision_queued"]
    world.driver.driver = Flaky(world.driver.driver, "PutItem", 0)
    image = await world.account()
    assert image.live_holds == 1
    for _ in range(3):
        assert isinstance(await world.ledger.replay(world.queue.rows[0]), bool)


@BOTH
async def test_an_apply_that_keeps_failing_is_left_to_the_sweeper_with_its_row(stream: bool) -> None:
    world = ChatWorld()
    caller = await world.caller()
    world.upstream.on_call = lambda: setattr(world.driver, "driver", Flaky(world.driver.driver, "UpdateItem", 5))
    client = await world.call(caller, stream=stream)
    assert client.refused is None
    (row,) = await world.rows()
    assert (row.cost, world.alarms.raised) == (COST, ["apply_deferred"])
    assert (await world.account()).live_holds == 1
    await asyncio.sleep(900 + 120 + 61)
    assert (await world.ledger.sweep("a1")).ended == 1
    assert (await world.settled_row()).decided_by == "gateway"


def test_the_texts_of_the_fake_are_events() -> None:
    assert all(chunk.startswith(b"data: ") and chunk.endswith(b"\n\n") for chunk in (*TEXT, DONE))
