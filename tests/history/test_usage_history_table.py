"""Usage rows by time, in the in-memory table and in moto."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import boto3
import pytest
from moto import mock_aws

from multiconnection.aws.dynamo import Driver
from multiconnection.history.models import CallFigures, UsageFilter
from multiconnection.history.store import UsageHistoryTable
from multiconnection.ids import TIME_MAX, began_s, id_bound
from multiconnection.ledger import items as ledger_items
from multiconnection.usage import Ended, Usage
from tests.support.console_world import ConsoleWorld, create_usage_table
from tests.support.moto_driver import MotoDriver
from tools.memory_dynamo.driver import MemoryDynamo, TableKeys

NOON = 1_790_000_000
WORLD = ConsoleWorld()
ROWS = [
    WORLD.a_row(NOON),
    WORLD.a_row(NOON + 1, model="m-2"),
    WORLD.a_row(
        NOON + 2, key_id="key00002", secret="01234567", usage=Usage(input=1, cached_input=2, output=3, output_audio=4)
    ),
    WORLD.a_row(NOON + 3, ended=Ended.EMPTY),
]
IDS = [row.hold_id for row in ROWS]


@contextmanager
def usage_table(name: str) -> Iterator[Driver]:
    """ "memory" or "moto", with the usage table."""
    if name == "memory":
        yield MemoryDynamo({"usage": TableKeys("account_id", "request_id")})
        return
    with mock_aws():
        client = boto3.client("dynamodb", "us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
        create_usage_table(client)
        yield MotoDriver(client)


@pytest.fixture(params=["memory", "moto"])
async def driver(request: pytest.FixtureRequest) -> AsyncIterator[Driver]:
    with usage_table(request.param) as made:
        for row in [*ROWS, WORLD.a_row(NOON, "a2")]:
            await made.call("PutItem", ledger_items.decide("usage", row))
        yield made


CASES: list[tuple[UsageFilter, list[int]]] = [
    (UsageFilter(), [3, 2, 1, 0]),
    (UsageFilter(NOON + 1), [3, 2, 1]),
    (UsageFilter(NOON + 1, NOON + 3), [2, 1]),
    (UsageFilter(NOON + 4), []),
    (UsageFilter(model="m-2"), [1]),
    (UsageFilter(key_id="key00002"), [2]),
    (UsageFilter(ended=Ended.EMPTY), [3]),
    (UsageFilter(NOON, NOON + 1, model="m-2"), []),
    (UsageFilter(model="m-1", key_id="key00001", ended=Ended.COMPLETE), [0]),
]


@pytest.mark.parametrize(("wanted", "found"), CASES)
async def test_a_range_and_filters_choose_rows_newest_first(
    driver: Driver, wanted: UsageFilter, found: list[int]
) -> None:
    table = UsageHistoryTable(driver, "usage")
    expected = [ROWS[index] for index in found]
    assert (await table.rows("a1", wanted, None, 100)).found == expected
    assert (await table.bulk("a1", wanted, None)).found == expected
    figures = await table.figures("a1", wanted, None, 100)
    assert [each.hold_id for each in figures.found] == [row.hold_id for row in expected]


async def test_a_read_says_what_it_looked_at_and_where_to_go_on(driver: Driver) -> None:
    table = UsageHistoryTable(driver, "usage")
    first = await table.rows("a1", UsageFilter(model="m-2"), None, 2)
    assert (list(first.found), first.read, first.after) == ([], 2, IDS[2])
    second = await table.rows("a1", UsageFilter(model="m-2"), first.after, 2)
    assert (list(second.found), second.read) == ([ROWS[1]], 2)
    last = await table.rows("a1", UsageFilter(), IDS[1], 2)
    assert (list(last.found), last.after) == ([ROWS[0]], None)


async def test_figures_are_those_of_the_row(driver: Driver) -> None:
    (found,) = (await UsageHistoryTable(driver, "usage").figures("a1", UsageFilter(NOON + 2, NOON + 3), None, 9)).found
    assert found == CallFigures(IDS[2], "m-1", "key00002", "01234567", ROWS[2].cost, 3, 7)


def test_bounds_enclose_the_ids_of_their_second() -> None:
    for row in ROWS:
        at_s = began_s(row.hold_id)
        assert id_bound(at_s) <= row.hold_id < id_bound(at_s + 1)
    assert all(len(id_bound(second)) == 6 for second in (0, TIME_MAX))
