"""Limits and key changes on MiniStack, over the wire and all at once: exactly what fits is let in."""

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
from multiconnection.errors import RateLimited
from multiconnection.keys.store import KeysTable
from multiconnection.ledger import items as ledger_items
from multiconnection.ledger.models import AccountLimits
from multiconnection.limits.limiter import Limiter
from multiconnection.limits.store import LimitsTable
from tests.support.limit_world import BALANCES, DEFAULTS, KEYS, LIMITS, START_S, HandClock, some_key
from tests.support.moto_driver import create_table

CALLS, FITTING = 200, 37
LIMITED_KEY = some_key(requests_per_minute=FITTING, tokens_per_minute=FITTING * 9)


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with MiniStack(MINISTACK, tmp_path_factory.mktemp("ministack"), services=("dynamodb",)) as running:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("AWS_ACCESS_KEY_ID", "test")
            environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
            client = dynamodb_client(running.region, running.endpoint_url)
            create_table(client, LIMITS, "subject")
            create_table(client, BALANCES, "account_id")
            create_table(client, KEYS, "key_hash", ("by_account", "account_id", "key_id"))
            yield running.endpoint_url


@asynccontextmanager
async def hot_driver(endpoint: str) -> AsyncIterator[AsyncDriver]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as session:
        yield AsyncDriver(session, StaticCredentials(Key("test", "test")), "us-east-1", endpoint)


async def served(limiters: list[Limiter], account_id: str, limits: AccountLimits | None = None) -> int:
    """How many of CALLS concurrent calls are let in, taken in turn by the limiters."""
    key = some_key(account_id=account_id) if limits else LIMITED_KEY

    async def one(number: int) -> bool:
        try:
            await limiters[number % len(limiters)].admit(key.rates, 9, limits or AccountLimits())
        except RateLimited:
            return False
        return True

    return sum(await asyncio.gather(*(one(number) for number in range(CALLS))))


def processes(driver: AsyncDriver, count: int, errors: list[str]) -> list[Limiter]:
    clock = HandClock()
    return [Limiter(LimitsTable(driver, LIMITS), clock, DEFAULTS, errors.append) for _ in range(count)]


async def test_two_processes_let_in_exactly_what_a_keys_limit_allows(endpoint: str) -> None:
    errors: list[str] = []
    async with hot_driver(endpoint) as driver:
        assert await served(processes(driver, 2, errors), "a1") == FITTING
        assert await served(processes(driver, 2, errors), "a1") == 0
    assert errors == []


@pytest.mark.parametrize("count", [1, 4])
async def test_an_accounts_limit_is_exact_alone_and_passed_by_a_twentieth_per_process(
    endpoint: str, count: int
) -> None:
    errors: list[str] = []
    async with hot_driver(endpoint) as driver:
        limits = AccountLimits(requests_per_minute=100)
        admitted = await served(processes(driver, count, errors), f"shared-by-{count}", limits)
    assert 100 <= admitted <= (100 if count == 1 else 100 + count * 5)
    assert errors == []


async def test_64_budget_slots_are_64_however_many_ask_at_once(endpoint: str) -> None:
    async with hot_driver(endpoint) as driver:
        await driver.call("PutItem", ledger_items.create(BALANCES, "capped", "", int(START_S), AccountLimits()))
        table = KeysTable(driver, KEYS, BALANCES)
        keys = [
            some_key(key_hash=f"h{number}", key_id=f"k{number}", account_id="capped", budget_nano=5)
            for number in range(80)
        ]
        results = await asyncio.gather(*(table.create(key) for key in keys), return_exceptions=True)
        created = [key for key, result in zip(keys, results, strict=True) if result is None]
        assert len(created) == 64
        await asyncio.gather(*(table.delete(key) for key in created[:10]))
        answer = await driver.call("GetItem", {"TableName": BALANCES, "Key": ledger_items.account_key("capped")})
    account = ledger_items.parse_account(answer["Item"])
    assert sorted(account.key_caps) == sorted(key.key_id for key in created[10:])
    assert (account.key_epoch, account.version, answer["Item"]["nk"]) == (10, 74, {"N": "54"})
