"""Revenue against upstream cost: finished days rolled up once a day, today counted on request, gaps listed."""

import asyncio
from typing import Any

import pytest

from multiconnection.identity.models import Session
from multiconnection.reports import service
from multiconnection.reports.models import DAY_S
from multiconnection.reports.service import CountBounds
from multiconnection.retry import StoreThrottled
from multiconnection.usage import Ended, Usage
from tests.support.admin_world import USER, AdminApp, AdminWorld
from tests.support.chat_world import an_entry
from tests.support.virtual_time import START_S

pytestmark = pytest.mark.virtual_time


TODAY = int(START_S) // DAY_S
OTHER = Session("acct_other", "other@example.com", "", False, "u-other")
OTHER_ENTRY = an_entry(id="m-2", code="m02", aliases=[], cost_prices={"output": "1.00"})


def at(days_ago: int, second: int = 3600) -> int:
    return (TODAY - days_ago) * DAY_S + second


def row(name: str, calls: int, revenue: str, cost: str, margin: str, unpriced: int = 0) -> dict[str, Any]:
    figures = {"calls": calls, "revenue": revenue, "upstream_cost": cost, "margin": margin, "unpriced_calls": unpriced}
    return {"name": name, **figures}


async def opened() -> tuple[AdminWorld, AdminApp]:
    world = AdminWorld()
    await world.publish(an_entry(), OTHER_ENTRY)
    await world.open()
    await world.open(OTHER)
    return world, AdminApp(world)


async def test_by_day_by_model_and_by_account() -> None:
    world, app = await opened()
    await world.called(at(2))
    await world.called(at(1), model="m-2")
    await world.called(at(1), OTHER.account_id)
    await world.daily.run()
    await world.called(at(0))
    span = f"from={at(2)}&to={at(0) + 1}"
    days = await app.get(f"revenue?{span}")
    assert days["rows"] == [
        row("2027-01-13", 1, "0.003000000", "0.002000000", "0.001000000"),
        row("2027-01-14", 2, "0.006000000", "0.003500000", "0.002500000"),
        row("2027-01-15", 1, "0.003000000", "0.002000000", "0.001000000"),
    ]
    total = row("", 4, "0.012000000", "0.007500000", "0.004500000")
    del total["name"]
    assert (days["total"], days["missing_days"], days["truncated"]) == (total, [], False)
    # m-2 costs us half of its list price for output.
    models = await app.get(f"revenue?{span}&group=model")
    assert models["rows"] == [
        row("m-1", 3, "0.009000000", "0.006000000", "0.003000000"),
        row("m-2", 1, "0.003000000", "0.001500000", "0.001500000"),
    ]
    accounts = await app.get(f"revenue?{span}&group=account")
    assert [(each["name"], each["calls"]) for each in accounts["rows"]] == [(USER.account_id, 3), (OTHER.account_id, 1)]
    assert models["total"] == accounts["total"] == total


async def test_calls_that_were_not_charged_cost_what_they_cost() -> None:
    world, app = await opened()
    await world.called(at(0), cost=0, ended=Ended.UNDELIVERED)
    await world.called(at(0), cost=0, usage=Usage(), ended=Ended.UPSTREAM_ERROR)
    (today,) = (await app.get(f"revenue?from={at(0)}"))["rows"]
    assert today == row("2027-01-15", 2, "0.000000000", "0.002000000", "-0.002000000")


async def test_calls_of_an_unreadable_version_are_counted_as_unpriced() -> None:
    world, app = await opened()
    await world.called(at(0), price_version=99)
    (today,) = (await app.get(f"revenue?from={at(0)}"))["rows"]
    assert (today["upstream_cost"], today["unpriced_calls"]) == ("0.000000000", 1)


async def test_the_roll_up_may_run_again_and_counts_what_came_late() -> None:
    world, app = await opened()
    await world.called(at(1))
    assert (await world.daily.run())["days"] == service.BACKLOG_DAYS
    await world.called(at(1, DAY_S - 1))
    assert (await world.daily.run())["days"] == service.RECOUNTED_DAYS
    rows = (await app.get(f"revenue?from={at(1)}&to={at(0, 0)}"))["rows"]
    assert rows == [row("2027-01-14", 2, "0.006000000", "0.004000000", "0.002000000")]


async def test_days_after_a_standstill_are_made_up_for() -> None:
    world, app = await opened()
    await world.daily.run()
    await asyncio.sleep(10 * DAY_S)
    await world.called(at(-2))
    await world.daily.run()
    rows = (await app.get(f"revenue?from={at(-2)}&to={at(-3, 0)}"))["rows"]
    assert [each["calls"] for each in rows] == [1]


async def test_days_without_figures_are_named() -> None:
    world, app = await opened()
    await world.called(at(5))
    found = await app.get(f"revenue?from={at(3)}")
    # Yesterday and today are counted on request.
    assert found["missing_days"] == ["2027-01-12", "2027-01-13"]
    assert [each["name"] for each in found["rows"]] == ["2027-01-14", "2027-01-15"]


async def test_too_much_for_one_request_is_truncated(monkeypatch: pytest.MonkeyPatch) -> None:
    world, app = await opened()
    await world.called(at(0))
    await world.called(at(0), OTHER.account_id)
    monkeypatch.setattr(service, "LIVE_BOUNDS", CountBounds(accounts=1))
    found = await app.get(f"revenue?from={at(0)}")
    assert (found["truncated"], found["total"]["calls"]) == (True, 1)
    monkeypatch.setattr(service, "LIVE_BOUNDS", CountBounds(accounts=2))
    assert not (await app.get(f"revenue?from={at(0)}"))["truncated"]


async def test_half_a_day_is_never_written_for_a_whole_one() -> None:
    world, app = await opened()
    await world.called(at(1))
    assert (await world.daily.run(until_s=world.clock.now()))["days"] == 0
    assert world.alarms.raised.count("roll_up_unfinished") == 2
    found = await app.get(f"revenue?from={at(30)}")
    assert len(found["missing_days"]) == 29


async def test_a_table_that_fails_is_an_alarm_and_the_books_are_checked_all_the_same() -> None:
    world, _ = await opened()
    world.driver.fail("PutItem", StoreThrottled("busy"), times=5)
    totals = await world.daily.run()
    assert (totals["accounts"], totals["drift"], totals["days"]) == (2, 0, 0)
    assert world.alarms.raised == ["reports_unwritten"]


@pytest.mark.parametrize(
    "query", [f"from={at(0)}&to={at(2)}", f"from={at(-5)}", f"from={at(400)}", "group=key", "from=x"]
)
async def test_a_range_that_is_none(query: str) -> None:
    _, app = await opened()
    assert (await app.refused(f"revenue?{query}", method="GET"))[0] == 400
