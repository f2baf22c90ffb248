"""The summary reads a bounded number of rows, and says so when there are more."""

import pytest

from multiconnection.history.models import UsageFilter
from multiconnection.history.service import summarise
from tests.support.console_world import ConsoleWorld

pytestmark = pytest.mark.virtual_time


NOON = 1_790_000_000 // 86_400 * 86_400 + 43_200
DAY = 86_400


async def test_a_truncated_summary_begins_where_it_stopped_reading() -> None:
    world = ConsoleWorld()
    await world.write(*(world.a_row(NOON + number * DAY) for number in range(6)))
    wanted = UsageFilter(NOON - 1, NOON + 6 * DAY)
    whole = await summarise(world.console.history.history, "a1", wanted, None, 0, rows_max=7)
    assert (len(whole.days), whole.total.calls, whole.truncated) == (7, 6, False)
    part = await summarise(world.console.history.history, "a1", wanted, None, 0, rows_max=3)
    assert (part.total.calls, part.truncated) == (3, True)
    assert [day.totals.calls for day in part.days.values()] == [1, 1, 1, 0]


async def test_a_summary_reads_only_what_it_sums_up() -> None:
    world = ConsoleWorld()
    await world.write(*(world.a_row(NOON + number) for number in range(10)))
    world.driver.calls.clear()
    await summarise(world.console.history.history, "a1", UsageFilter(), "model", 0)
    assert world.driver.calls == ["Query"]


async def test_the_rows_of_a_filter_count_as_read() -> None:
    world = ConsoleWorld()
    await world.write(*(world.a_row(NOON + number, model="m-2") for number in range(4)), world.a_row(NOON - 1))
    found = await summarise(world.console.history.history, "a1", UsageFilter(model="m-1"), None, 0, rows_max=3)
    assert (found.total.calls, found.truncated) == (0, True)
