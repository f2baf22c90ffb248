"""The limiter: exact for keys, lazy for accounts and addresses, open when its store fails."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiconnection.aws.dynamo import RequestRejected
from multiconnection.errors import RateLimited
from multiconnection.ledger.models import AccountLimits
from multiconnection.limits.gcra import REQUESTS, SECOND_NS, Rate
from multiconnection.limits.limiter import HEAVY_PER_MINUTE, SUBJECTS_MAX, ConsoleQuota, DefaultRates, Limiter
from multiconnection.limits.store import LimitsTable
from multiconnection.retry import OutcomeUnknown, StoreError, StoreThrottled, StoreUnavailable
from tests.support.limit_world import DEFAULTS, LIMITS, HandClock, WatchedDriver, memory_driver, some_key

KEY = some_key().rates
LIMITED_KEY = some_key(requests_per_minute=10, tokens_per_minute=1000).rates
IP = "192.0.2.1"


class World:
    """Processes that share one table and one clock."""

    def __init__(self, defaults: DefaultRates = DEFAULTS) -> None:
        self.clock = HandClock()
        self.driver = WatchedDriver(memory_driver())
        self.errors: list[str] = []
        self._defaults = defaults

    def limiter(self) -> Limiter:
        return Limiter(LimitsTable(self.driver, LIMITS), self.clock, self._defaults, self.errors.append)

    @property
    def writes(self) -> int:
        return len(self.driver.calls)


@pytest.fixture
def world() -> World:
    return World()


async def admitted(limiter: Limiter, tokens: int = 1, limits: AccountLimits | None = None) -> bool:
    try:
        await limiter.admit(KEY, tokens, limits or AccountLimits())
    except RateLimited:
        return False
    return True


async def test_a_key_with_limits_costs_one_write_for_both_quantities(world: World) -> None:
    state = await world.limiter().admit(LIMITED_KEY, 100)
    assert world.writes == 1
    assert state.headers() == {
        "x-ratelimit-limit-requests": "10",
        "x-ratelimit-remaining-requests": "9",
        "x-ratelimit-reset-requests": "6s",
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": "900",
        "x-ratelimit-reset-tokens": "6s",
    }


async def test_a_key_without_limits_costs_no_write_far_from_the_accounts(world: World) -> None:
    limiter = world.limiter()
    for _ in range(100):
        state = await limiter.admit(KEY, 100)
    assert world.writes == 0
    assert (state.requests.limit, state.requests.remaining) == (3000, 2900)
    assert (state.tokens.limit, state.tokens.remaining) == (2_000_000, 1_990_000)


@pytest.mark.parametrize(
    ("tokens", "reason", "limit_type", "served"),
    [(1, "key_requests", "requests", 10), (300, "key_tokens", "tokens", 3)],
)
async def test_a_keys_refusal_names_the_quantity_that_ran_out_and_the_wait(
    world: World, tokens: int, reason: str, limit_type: str, served: int
) -> None:
    limiter = world.limiter()
    for _ in range(served):
        await limiter.admit(LIMITED_KEY, tokens)
    with pytest.raises(RateLimited) as caught:
        await limiter.admit(LIMITED_KEY, tokens)
    assert caught.value.details == {"reason": reason}
    assert caught.value.type == limit_type
    assert caught.value.retry_after_s == pytest.approx(6 if tokens == 1 else 12, abs=0.001)
    assert "this API key" in caught.value.message
    world.clock.at += caught.value.retry_after_s or 0
    world.clock.at += 0.001
    await limiter.admit(LIMITED_KEY, tokens)


async def test_refusals_are_remembered_for_a_second_and_then_looked_at_again(world: World) -> None:
    here, there = world.limiter(), world.limiter()
    key = some_key(tokens_per_minute=1000).rates
    subjects = (await there.admit(key, 1000)).subjects
    for _ in range(50):
        with pytest.raises(RateLimited):
            await here.admit(key, 500)
    assert world.writes == 2
    there.settle(subjects, 1000, 0)
    await there.admit(key, 100)
    with pytest.raises(RateLimited):
        await here.admit(key, 500)
    world.clock.at += 1.001
    assert (await here.admit(key, 500)).tokens.remaining == 1000 - 100 - 500 + 16
    assert world.writes == 4


@pytest.mark.parametrize("tokens", [1, 7])
async def test_a_keys_limit_is_exact_for_two_processes_under_concurrency(world: World, tokens: int) -> None:
    limiters = [world.limiter(), world.limiter()]
    key = some_key(requests_per_minute=37, tokens_per_minute=37 * tokens).rates

    async def one(number: int) -> bool:
        try:
            await limiters[number % 2].admit(key, tokens)
        except RateLimited:
            return False
        return True

    assert sum(await asyncio.gather(*(one(number) for number in range(200)))) == 37


async def test_from_half_of_the_limit_on_every_admission_of_an_account_is_a_write(world: World) -> None:
    limiter, limits = world.limiter(), AccountLimits(requests_per_minute=200)
    writes = []
    for _ in range(200):
        await limiter.admit(KEY, 1, limits)
        writes.append(world.writes)
    # The 11th brings the unshared units over 200/20; each further write comes with the 11th after the one before.
    assert writes[9:11] == [0, 1]
    assert writes[98] == 99 // 11
    assert writes[199] - writes[98] == 101
    with pytest.raises(RateLimited) as caught:
        await limiter.admit(KEY, 1, limits)
    assert caught.value.details == {"reason": "account_requests"}


async def test_what_is_unshared_for_ten_seconds_is_shared_by_the_next_admission(world: World) -> None:
    here, there, limits = world.limiter(), world.limiter(), AccountLimits(requests_per_minute=60)
    await here.admit(KEY, 1, limits)
    world.clock.at += 9.9
    await here.admit(KEY, 1, limits)
    assert world.writes == 0
    world.clock.at += 0.1
    await here.admit(KEY, 1, limits)
    assert world.writes == 1
    for _ in range(60):
        await admitted(there, 1, limits)
    assert there.state(KEY, limits).requests.remaining == 0


@given(st.lists(st.tuples(st.floats(0, 15), st.integers(0, 400)), max_size=60), st.integers(1, 60))
def test_one_process_alone_admits_exactly_what_the_arithmetic_does(asked: list[tuple[float, int]], rpm: int) -> None:
    async def play() -> None:
        world, model = World(), World()
        limits = AccountLimits(requests_per_minute=rpm, tokens_per_minute=1000)
        exact_key = some_key(requests_per_minute=rpm, tokens_per_minute=1000).rates
        lazy, exact = world.limiter(), model.limiter()
        for gap, tokens in asked:
            world.clock.at = model.clock.at = world.clock.at + gap
            try:
                await exact.admit(exact_key, tokens)
            except RateLimited:
                expected = False
            else:
                expected = True
            assert await admitted(lazy, tokens, limits) == expected

    asyncio.run(play())


async def test_one_process_is_exact_under_concurrency(world: World) -> None:
    limiter, limits = world.limiter(), AccountLimits(requests_per_minute=100)
    assert sum(await asyncio.gather(*(admitted(limiter, 1, limits) for _ in range(400)))) == 100


@pytest.mark.parametrize("processes", [2, 5])
async def test_several_processes_overshoot_by_at_most_a_twentieth_each(world: World, processes: int) -> None:
    limiters, limits = [world.limiter() for _ in range(processes)], AccountLimits(requests_per_minute=100)
    for burst in range(4):
        served = await asyncio.gather(
            *(admitted(limiters[number % processes], 1, limits) for number in range(100 if burst else 300))
        )
        if not burst:
            assert 100 <= sum(served) <= 100 + processes * 100 // 20
        else:
            assert sum(served) == 0


async def test_one_after_the_other_the_overshoot_is_bounded_as_well(world: World) -> None:
    """Each process starts without knowledge of the full account, and notices after limit / 20 units."""
    limits = AccountLimits(requests_per_minute=100)
    first = world.limiter()
    for _ in range(100):
        assert await admitted(first, 1, limits)
    for _ in range(6):
        late = world.limiter()
        assert sum([await admitted(late, 1, limits) for _ in range(50)]) == 5
        assert late.state(KEY, limits).requests.reset_s > 60


async def test_when_the_account_refuses_the_key_gets_its_units_back(world: World) -> None:
    limiter, limits = world.limiter(), AccountLimits(tokens_per_minute=500)
    await limiter.admit(LIMITED_KEY, 400, limits)
    for _ in range(5):
        with pytest.raises(RateLimited) as caught:
            await limiter.admit(LIMITED_KEY, 200, limits)
        world.clock.at += 1.001
    assert caught.value.details == {"reason": "account_tokens"}
    state = await limiter.admit(LIMITED_KEY, 0)
    drained = 5.005 / 60
    assert state.requests.remaining == 8
    assert limiter.state(LIMITED_KEY).tokens.remaining == int(1000 - 400 + 1000 * drained)


async def test_more_than_a_whole_limit_is_refused_for_good(world: World) -> None:
    limiter = world.limiter()
    with pytest.raises(RateLimited) as caught:
        await limiter.admit(LIMITED_KEY, 1001)
    assert caught.value.headers() == {"retry-after": "60", "x-should-retry": "false"}
    assert caught.value.details == {"reason": "key_tokens"}
    assert world.writes == 0


async def test_a_take_that_loses_every_attempt_to_others_is_refused_for_a_second(world: World) -> None:
    """Also for a key that limits only tokens."""

    class Restless:
        """Moves the TAT across the floor just before each write."""

        async def call(self, operation: str, payload: Any) -> dict[str, Any]:
            now_ns, additive = world.clock.now_ns(), "BETWEEN" in payload["ConditionExpression"]
            moved = {"subject": payload["Key"]["subject"], "t": {"N": str(now_ns - 1 if additive else now_ns + 1)}}
            await world.driver.driver.call("PutItem", {"TableName": LIMITS, "Item": moved})
            return await world.driver.driver.call(operation, payload)

    limiter = Limiter(LimitsTable(Restless(), LIMITS), world.clock, DEFAULTS, world.errors.append)
    with pytest.raises(RateLimited) as caught:
        await limiter.admit(some_key(tokens_per_minute=1000).rates, 1)
    assert caught.value.details == {"reason": "key_tokens"}
    assert caught.value.retry_after_s == 1


async def test_what_a_call_did_not_use_comes_back_with_the_next_take(world: World) -> None:
    limiter = world.limiter()
    state = await limiter.admit(LIMITED_KEY, 1000)
    limiter.settle(state.subjects, 1000, 100)
    assert world.writes == 1
    assert limiter.state(LIMITED_KEY).tokens.remaining == 900
    assert (await limiter.admit(LIMITED_KEY, 900)).tokens.remaining == 0
    assert world.writes == 2


async def test_what_a_call_used_beyond_its_estimate_is_booked_and_drains(world: World) -> None:
    here, there = world.limiter(), world.limiter()
    state = await here.admit(LIMITED_KEY, 100)
    here.settle(state.subjects, 100, 3000)
    with pytest.raises(RateLimited) as caught:
        await here.admit(LIMITED_KEY, 1)
    assert caught.value.retry_after_s == pytest.approx(120.06)
    world.clock.at += 60
    with pytest.raises(RateLimited) as elsewhere:
        await there.admit(LIMITED_KEY, 1)
    assert elsewhere.value.retry_after_s == pytest.approx(60.06)
    world.clock.at += 60.07
    await here.admit(LIMITED_KEY, 1)


async def test_a_debt_that_was_waited_for_is_not_waited_for_again(world: World) -> None:
    limiter = world.limiter()
    state = await limiter.admit(LIMITED_KEY, 100)
    limiter.settle(state.subjects, 100, 3000)
    world.clock.at += 180
    assert (await limiter.admit(LIMITED_KEY, 1000)).tokens.remaining == 0


@pytest.mark.parametrize(
    "failure",
    [StoreThrottled("slow down"), StoreUnavailable("no route"), OutcomeUnknown("time-out"), RequestRejected("table")],
)
async def test_a_failing_store_lets_callers_in_and_is_reported(world: World, failure: StoreError) -> None:
    limiter = world.limiter()
    world.driver.failure = failure
    for _ in range(10):
        await limiter.admit(LIMITED_KEY, 1)
    assert world.errors == [type(failure).__name__]
    with pytest.raises(RateLimited) as caught:
        await limiter.admit(LIMITED_KEY, 1)
    assert caught.value.details == {"reason": "key_requests"}
    world.clock.at += 1.001
    world.driver.failure = None
    with pytest.raises(RateLimited):
        await limiter.admit(LIMITED_KEY, 1)
    world.clock.at += 5
    await limiter.admit(LIMITED_KEY, 1)
    with pytest.raises(RateLimited):
        await world.limiter().admit(LIMITED_KEY, 1)


async def test_what_was_unshared_when_the_store_failed_is_shared_afterwards(world: World) -> None:
    here, there, limits = world.limiter(), world.limiter(), AccountLimits(requests_per_minute=100)
    for _ in range(5):
        await here.admit(KEY, 1, limits)
    world.driver.failure = StoreUnavailable("no route")
    await here.admit(KEY, 1, limits)
    world.driver.failure = None
    world.clock.at += 1.001
    await here.admit(KEY, 1, limits)
    for _ in range(6):
        state = await there.admit(KEY, 1, limits)
    assert world.errors == ["StoreUnavailable"]
    assert state.requests.remaining == 100 - 7 - 6 + 1


async def test_a_cancelled_take_leaves_nothing_in_flight(world: World) -> None:
    limiter = world.limiter()
    task = asyncio.create_task(limiter.admit(LIMITED_KEY, 1))
    await asyncio.sleep(0)
    assert world.driver.calls == ["UpdateItem"]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await limiter.admit(LIMITED_KEY, 1)).requests.remaining == 9


async def test_an_address_has_a_request_limit_of_its_own() -> None:
    world = World(replace(DEFAULTS, ip_requests_per_minute=40))
    limiter = world.limiter()
    for _ in range(40):
        await limiter.admit_ip(IP)
    with pytest.raises(RateLimited) as caught:
        await limiter.admit_ip(IP)
    assert caught.value.details == {"reason": "ip_requests"}
    assert limiter.ip_state(IP).headers()["x-ratelimit-remaining-requests"] == "0"
    assert limiter.ip_state(IP).headers()["x-ratelimit-remaining-tokens"] == "2000000"
    await limiter.admit_ip("192.0.2.2")


@pytest.mark.parametrize("costly", [True, False])
async def test_failed_authentications_run_out(world: World, costly: bool) -> None:
    limiter = world.limiter()
    for _ in range(60):
        limiter.check_failed_auth(IP)
        if costly:
            await limiter.note_failed_auth(IP)
        else:
            limiter.count_failed_auth(IP)
    writes = world.writes
    with pytest.raises(RateLimited) as caught:
        limiter.check_failed_auth(IP)
    assert caught.value.details == {"reason": "ip_failed_auth"}
    assert caught.value.retry_after_s == pytest.approx(1, abs=0.001)
    assert "failed authentications" in caught.value.message
    assert world.writes == writes
    assert bool(writes) == costly
    limiter.check_failed_auth("192.0.2.2")


async def test_failures_beyond_the_limit_do_not_lengthen_the_wait(world: World) -> None:
    limiter = world.limiter()
    for _ in range(500):
        limiter.count_failed_auth(IP)
    world.clock.at += 1.001
    limiter.check_failed_auth(IP)


async def test_strangers_do_not_grow_the_memory(world: World) -> None:
    limiter = world.limiter()
    for number in range(SUBJECTS_MAX + 100):
        await limiter.admit_ip(str(number))
        await limiter.admit_ip("regular")
    assert limiter.subjects_kept == SUBJECTS_MAX
    assert limiter.ip_state("regular").requests.remaining == 12_000 - SUBJECTS_MAX - 100


async def test_a_strict_take_is_one_write_and_its_refusal_says_how_long_to_wait(world: World) -> None:
    here, there = world.limiter(), world.limiter()
    rates = {REQUESTS: Rate(3, 900 * SECOND_NS)}
    for limiter in (here, there, here):
        assert await limiter.take_strict("code:who", rates) is None
    refusal = await there.take_strict("code:who", rates)
    assert refusal is not None
    assert refusal.retry_after_s == pytest.approx(300)
    assert await here.take_strict("code:who", rates, {REQUESTS: -1}) is None
    assert await there.take_strict("code:who", rates) is None
    assert (here.subjects_kept, there.subjects_kept) == (0, 0)


async def test_a_strict_take_fails_with_the_store_and_leaves_the_others_alone(world: World) -> None:
    limiter = world.limiter()
    world.driver.failure = StoreUnavailable("no route")
    with pytest.raises(StoreUnavailable):
        await limiter.take_strict("code:who", {REQUESTS: Rate(3)})
    world.driver.failure = None
    assert world.errors == []
    assert await limiter.take_strict("code:who", {REQUESTS: Rate(3)}) is None
    await limiter.admit(LIMITED_KEY, 1)
    assert world.writes == 3


async def test_strict_takes_do_not_pause_with_the_others(world: World) -> None:
    limiter = world.limiter()
    world.driver.failure = StoreUnavailable("no route")
    await limiter.admit(LIMITED_KEY, 1)
    with pytest.raises(StoreUnavailable):
        await limiter.take_strict("code:who", {REQUESTS: Rate(3)})


async def test_the_console_of_one_account_is_limited_apart_from_its_calls(world: World) -> None:
    limiter = world.limiter()
    quota = ConsoleQuota(limiter)
    for _ in range(HEAVY_PER_MINUTE):
        await quota.admit_heavy("a1")
    with pytest.raises(RateLimited) as caught:
        await quota.admit_heavy("a1")
    assert caught.value.details == {"reason": "console_requests"}
    assert caught.value.retry_after_s == pytest.approx(1, abs=0.001)
    await quota.admit("a1")
    await quota.admit_heavy("a2")
    await limiter.admit(KEY, 1)
    world.driver.failure = StoreUnavailable("no route")
    world.clock.at += 60
    await quota.admit_heavy("a1")
