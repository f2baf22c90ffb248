"""The Limits table: one write takes every quantity or none, exactly, whatever was guessed about the item."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from multiconnection.limits.gcra import MINUTE_NS, Demand, Rate, Shift, arrival
from multiconnection.limits.store import IDLE_S, LimitsTable
from tests.support.limit_world import LIMITS, START_S, WatchedDriver, driver_named, memory_driver

NOW = int(START_S) * 10**9
REQUESTS, TOKENS = Rate(10), Rate(1000)


@pytest.fixture(params=["memory", "moto"])
def driver(request: pytest.FixtureRequest) -> Iterator[WatchedDriver]:
    with driver_named(request.param) as found:
        yield WatchedDriver(found)


async def item(driver: WatchedDriver, subject: str) -> dict[str, Any]:
    answer = await driver.driver.call("GetItem", {"TableName": LIMITS, "Key": {"subject": {"S": subject}}})
    return dict(answer.get("Item", {}))


def both(requests: int, tokens: int) -> dict[str, Demand]:
    return {"r": Demand(REQUESTS, requests), "t": Demand(TOKENS, tokens)}


async def test_the_first_take_writes_both_tats_and_an_end_of_life(driver: WatchedDriver) -> None:
    result = await LimitsTable(driver, LIMITS).take("s", NOW, both(1, 100))
    assert result.granted
    assert result.tats == {"r": NOW + MINUTE_NS // 10, "t": NOW + MINUTE_NS // 10}
    assert (await item(driver, "s"))["expires_at"] == {"N": str(int(START_S) + IDLE_S)}
    assert driver.calls == ["UpdateItem"]


async def test_a_refusal_of_one_quantity_takes_nothing_of_the_other(driver: WatchedDriver) -> None:
    table = LimitsTable(driver, LIMITS)
    first = await table.take("s", NOW, both(1, 900))
    refused = await table.take("s", NOW, both(1, 101), first.tats)
    assert not refused.granted
    assert refused.tats == first.tats
    assert (await table.take("s", NOW, both(9, 100), first.tats)).granted


async def test_a_wrong_hint_costs_one_more_attempt_and_changes_nothing_else(driver: WatchedDriver) -> None:
    table = LimitsTable(driver, LIMITS)
    await table.take("s", NOW, both(1, 100))
    driver.calls.clear()
    assert (await table.take("s", NOW, both(1, 100))).tats["r"] == NOW + 2 * MINUTE_NS // 10
    later = NOW + 2 * MINUTE_NS
    assert (await table.take("s", later, both(1, 100), {"r": later, "t": 0})).tats["r"] == later + MINUTE_NS // 10
    assert driver.calls == ["UpdateItem"] * 4


async def test_more_than_the_whole_limit_is_refused_without_a_call(driver: WatchedDriver) -> None:
    assert not (await LimitsTable(driver, LIMITS).take("s", NOW, both(1, 1001))).granted
    assert driver.calls == []


async def test_what_was_admitted_elsewhere_is_booked_even_over_the_limit(driver: WatchedDriver) -> None:
    table = LimitsTable(driver, LIMITS)
    owed = {"t": Demand(TOKENS, 0, arrival(NOW, TOKENS.increment_ns(5000)))}
    assert (await table.take("s", NOW, owed)).tats == {"t": NOW + 5 * MINUTE_NS}
    assert (await table.take("s", NOW, owed)).tats == {"t": NOW + 10 * MINUTE_NS}
    assert not (await table.take("s", NOW + MINUTE_NS, both(1, 1))).granted


async def test_units_given_back_never_leave_less_than_an_empty_queue(driver: WatchedDriver) -> None:
    table = LimitsTable(driver, LIMITS)
    await table.take("s", NOW, {"t": Demand(TOKENS, 500)})
    less = await table.take("s", NOW, {"t": Demand(TOKENS, -200)})
    assert less.tats == {"t": NOW + TOKENS.increment_ns(300)}
    assert (await table.take("s", NOW, {"t": Demand(TOKENS, -900)})).tats == {"t": NOW}
    assert (await table.take("new", NOW, {"t": Demand(TOKENS, -900)})).tats == {"t": NOW}


async def test_two_table_objects_on_one_table_grant_exactly_the_limit_under_concurrency(driver: WatchedDriver) -> None:
    rates = {"r": Demand(Rate(37), 1), "t": Demand(Rate(10_000), 7)}
    tables = [LimitsTable(driver, LIMITS), LimitsTable(driver, LIMITS)]
    results = await asyncio.gather(*(tables[n % 2].take("s", NOW + n, rates) for n in range(120)))
    assert sum(result.granted for result in results) == 37
    assert int((await item(driver, "s"))["t"]["N"]) == NOW + max(
        result.tats["t"] - NOW for result in results if result.granted
    )


async def test_attempts_are_bounded_when_the_item_never_holds_still() -> None:
    watched = WatchedDriver(memory_driver())
    table = LimitsTable(watched, LIMITS)

    class Restless:
        """Moves the TAT across the floor just before each write."""

        async def call(self, operation: str, payload: Any) -> dict[str, Any]:
            additive = "BETWEEN" in payload["ConditionExpression"]
            tat = NOW - 1 if additive else NOW + 1
            moved = {"subject": {"S": "s"}, "r": {"N": str(tat)}}
            await watched.driver.call("PutItem", {"TableName": LIMITS, "Item": moved})
            return await watched.call(operation, payload)

    result = await LimitsTable(Restless(), LIMITS).take("s", NOW, {"r": Demand(REQUESTS, 1)})
    assert not result.granted
    assert result.tats.keys() == {"r"}
    assert len(watched.calls) == 6
    assert (await table.take("s", NOW, {"r": Demand(REQUESTS, 1)})).granted


steps = st.lists(
    st.tuples(
        st.integers(0, MINUTE_NS),
        st.integers(-5, 12),
        st.integers(-300, 1200),
        st.integers(-MINUTE_NS, MINUTE_NS),
        st.integers(0, MINUTE_NS),
        st.booleans(),
    ),
    max_size=12,
)


async def agrees_with_the_arithmetic(driver: WatchedDriver, taken: list[tuple[int, int, int, int, int, bool]]) -> None:
    table, now, model, hint = LimitsTable(driver, LIMITS), NOW, dict[str, int](), dict[str, int]()
    for gap, requests, tokens, add, age, knows in taken:
        now += gap
        pending = Shift().then(arrival(now - age, add))
        demands = {"r": Demand(REQUESTS, requests), "t": Demand(TOKENS, tokens, pending)}
        expected = all(demand.fits(model.get(name, 0), now) for name, demand in demands.items())
        if expected:
            model = {name: demand.shift(now).apply(model.get(name, 0)) for name, demand in demands.items()}
        result = await table.take("s", now, demands, hint if knows else None)
        assert result.granted == expected
        assert not expected or result.tats == model
        hint = dict(result.tats)


@given(steps)
def test_any_sequence_of_takes_ends_where_the_arithmetic_says(taken: list[Any]) -> None:
    asyncio.run(agrees_with_the_arithmetic(WatchedDriver(memory_driver()), taken))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps)
def test_any_sequence_of_takes_does_so_in_moto(taken: list[Any]) -> None:
    with driver_named("moto") as moto:
        asyncio.run(agrees_with_the_arithmetic(WatchedDriver(moto), taken))
