"""The console's reads and changes on MiniStack, over the wire and all at once."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiodynamo.credentials import Key, StaticCredentials

from local.ministack import MiniStack
from local.paths import MINISTACK
from multiconnection.aws.boto import dynamodb_client
from multiconnection.aws.dynamo_async import AsyncDriver
from multiconnection.history.models import UsageFilter
from multiconnection.history.service import UsageHistory, summarise
from multiconnection.history.store import UsageHistoryTable
from multiconnection.keys.schemas import KeyPatch
from multiconnection.keys.service import KeyService
from multiconnection.keys.store import KeysTable
from multiconnection.ledger.dynamo import DynamoStore, LedgerTables
from multiconnection.ledger.models import AccountLimits, UsageRow
from tests.support.console_world import ConsoleWorld, create_usage_table
from tests.support.limit_world import BALANCES, KEYS, HandClock, SeededRng
from tests.support.moto_driver import create_table

NOON = 1_790_000_000


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with MiniStack(MINISTACK, tmp_path_factory.mktemp("ministack"), services=("dynamodb",)) as running:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("AWS_ACCESS_KEY_ID", "test")
            environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
            client = dynamodb_client(running.region, running.endpoint_url)
            create_table(client, BALANCES, "account_id")
            create_table(client, KEYS, "key_hash", ("by_account", "account_id", "key_id"))
            create_usage_table(client)
            yield running.endpoint_url


@asynccontextmanager
async def hot_driver(endpoint: str) -> AsyncIterator[AsyncDriver]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as session:
        yield AsyncDriver(session, StaticCredentials(Key("test", "test")), "us-east-1", endpoint)


async def test_changes_and_a_rotation_at_once_lose_nothing(endpoint: str) -> None:
    async with hot_driver(endpoint) as driver:
        store = DynamoStore(driver, LedgerTables(BALANCES, "usage", "credits"))
        await store.create_account("a1", "", 1, AccountLimits())
        table = KeysTable(driver, KEYS, BALANCES)
        keys = KeyService(table, store, HandClock(), SeededRng(1))
        key, _ = await keys.issue("a1", "x", budget_nano=100)
        services = [KeyService(table, store, HandClock(), SeededRng(seed)) for seed in range(4)]
        await asyncio.gather(
            services[0].change("a1", key.key_id, KeyPatch(budget="0.000000150")),
            services[1].change("a1", key.key_id, KeyPatch(tokens_per_minute=5)),
            services[2].change("a1", key.key_id, KeyPatch(name="y")),
            services[3].rotate("a1", key.key_id, 60),
        )
        records = await table.list("a1")
        newest = await table.by_id("a1", key.key_id)
        assert newest is not None
        assert newest.retired == (key.key_hash,)
        assert len(records) == 2
        assert {(each.name, each.budget_nano, each.tokens_per_minute) for each in records} == {("y", 150, 5)}
        account = await store.account("a1")
        assert account is not None
        assert (account.key_caps, account.key_epoch) == ({key.key_id: 150}, 4)
        await keys.delete("a1", key.key_id)
        assert {each.status for each in await table.list("a1")} == {"deleted"}


async def test_usage_is_read_by_time_newest_first(endpoint: str) -> None:
    world = ConsoleWorld()
    rows = [world.a_row(NOON + number, model=f"m-{number % 3}") for number in range(30)]
    async with hot_driver(endpoint) as driver:
        store = DynamoStore(driver, LedgerTables(BALANCES, "usage", "credits"))
        await asyncio.gather(*(store.decide(row) for row in [*rows, world.a_row(NOON, "a2")]))
        history = UsageHistory(UsageHistoryTable(driver, "usage"), SeededRng(1))
        wanted = UsageFilter(NOON + 3, NOON + 27, model="m-1")
        found: list[UsageRow] = []
        after: str | None = None
        for _ in range(20):
            page = await history.page("a1", wanted, after, 3)
            found += page.rows
            after = page.after
            if after is None:
                break
        assert found == [row for row in reversed(rows[3:27]) if row.model == "m-1"]
        assert [row async for batch in history.batches("a1", wanted) for row in batch] == found
        summary = await summarise(history, "a1", UsageFilter(NOON, NOON + 30), "model", 0)
        assert (summary.total.calls, summary.total.cost, summary.truncated) == (30, 60_000_000, False)
