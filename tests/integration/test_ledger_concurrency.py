"""The ledger on MiniStack, over the wire and all at once: funds of 37 calls serve 37 of 200, through either driver."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
import pytest
from aiodynamo.credentials import Key, StaticCredentials

from local.ministack import MiniStack
from local.paths import MINISTACK, TEMPLATE
from local.resources import clients, create
from local.template import load
from multiconnection.aws.boto import BotoDriver, dynamodb_client
from multiconnection.aws.dynamo import Driver
from multiconnection.aws.dynamo_async import AsyncDriver
from multiconnection.ids import new_hold_id
from multiconnection.ledger.dynamo import DynamoStore, LedgerTables
from multiconnection.ledger.ledger import Ledger, Margins
from multiconnection.ledger.models import AccountLimits, CreditRow, Hold
from multiconnection.ledger.reserve import ReserveRefusal, ReserveRefused
from multiconnection.ledger.settle import Settlement
from tests.support.ledger_world import Alarms, Queue, model_name, row_of
from tests.support.limit_world import HandClock, SeededRng

CALLS, AFFORDABLE, THREADS = 200, 37, 16
AMOUNT, COST = 1000, 700
REGION = "us-east-1"


@pytest.fixture(scope="module")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniStack]:
    with MiniStack(MINISTACK, tmp_path_factory.mktemp("ministack")) as running:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("AWS_ACCESS_KEY_ID", "test")
            environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
            yield running


@pytest.fixture(scope="module")
def tables(ministack: MiniStack) -> LedgerTables:
    names = create(load(TEMPLATE), clients(ministack.endpoint_url, ministack.region))
    return LedgerTables(names["BalancesTable"], names["UsageTable"], names["CreditsTable"])


@asynccontextmanager
async def hot_driver(ministack: MiniStack) -> AsyncIterator[AsyncDriver]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as session:
        yield AsyncDriver(session, StaticCredentials(Key("test", "test")), REGION, ministack.endpoint_url)


def ledger_on(driver: Driver, tables: LedgerTables, alarms: Alarms, seed: int = 0) -> Ledger:
    return Ledger(DynamoStore(driver, tables), Queue(), alarms, HandClock(), SeededRng(seed), model_name, Margins())


async def open_account(ledger: Ledger, account_id: str) -> None:
    await ledger.create_account(account_id, "", AccountLimits())
    await ledger.credit(CreditRow(account_id, "opening", AFFORDABLE * AMOUNT, "grant", "", "test", 1))


def holds(account_id: str) -> list[Hold]:
    rng, clock = SeededRng(1), HandClock()
    expires_s = int(clock.now()) + 600
    return [
        Hold(account_id, new_hold_id(int(clock.now()) + number, rng), AMOUNT, expires_s, "keyUNcap", False, "g4o", 1)
        for number in range(CALLS)
    ]


async def reserved(ledger: Ledger, hold: Hold) -> Hold | ReserveRefusal:
    try:
        return (await ledger.reserve(hold, key_epoch=0, in_flight_max=256)).hold
    except ReserveRefused as exc:
        return exc.refusal


async def assert_at_rest(ledger: Ledger, account_id: str, alarms: Alarms) -> None:
    report = await ledger.reconcile(account_id)
    assert report is not None
    assert (report.drift, report.verified, report.live_holds, report.usage_rows) == (0, True, 0, AFFORDABLE)
    assert (report.available, report.charged) == (AFFORDABLE * (AMOUNT - COST), AFFORDABLE * COST)
    image = await ledger.store.account(account_id)
    assert image is not None
    # One for the credit, and one for each reserve and each apply: no write was lost and none came twice.
    assert image.version == 1 + 2 * AFFORDABLE
    assert alarms.raised == []


def assert_exactly_the_funds(answers: list[Hold | ReserveRefusal]) -> list[Hold]:
    served = [answer for answer in answers if isinstance(answer, Hold)]
    refusals = Counter(answer for answer in answers if isinstance(answer, ReserveRefusal))
    assert len(served) == AFFORDABLE
    assert refusals == {ReserveRefusal.BALANCE: CALLS - AFFORDABLE}
    # Births are versions, so each is another one, and none is missing in between.
    assert sorted(hold.birth for hold in served) == list(range(1, AFFORDABLE + 1))
    return served


async def test_200_concurrent_reserves_for_funds_of_37_serve_exactly_37(
    ministack: MiniStack, tables: LedgerTables
) -> None:
    alarms = Alarms()
    async with hot_driver(ministack) as driver:
        # given
        ledger = ledger_on(driver, tables, alarms)
        await open_account(ledger, "hot")
        # when
        served = assert_exactly_the_funds(await asyncio.gather(*(reserved(ledger, hold) for hold in holds("hot"))))
        # then each can be settled, all at once and twice
        settlements = await asyncio.gather(
            *(ledger.settle(hold, row_of(hold, COST)) for hold in served for _ in range(2))
        )
        assert all(settlement.applied for settlement in settlements)
        await assert_at_rest(ledger, "hot", alarms)


def test_16_threads_with_boto_serve_exactly_37(ministack: MiniStack, tables: LedgerTables) -> None:
    # given
    alarms = Alarms()
    driver = BotoDriver(dynamodb_client(REGION, ministack.endpoint_url))
    asyncio.run(open_account(ledger_on(driver, tables, alarms), "threads"))

    # A worker runs one coroutine at a time, on a loop of its own.
    def reserve(number: int, hold: Hold) -> Hold | ReserveRefusal:
        return asyncio.run(reserved(ledger_on(driver, tables, alarms, number), hold))

    def settle(number: int, hold: Hold) -> Settlement:
        return asyncio.run(ledger_on(driver, tables, alarms, number).settle(hold, row_of(hold, COST)))

    # when
    with ThreadPoolExecutor(THREADS) as threads:
        served = assert_exactly_the_funds(list(threads.map(reserve, range(CALLS), holds("threads"))))
        settlements = list(threads.map(settle, range(AFFORDABLE), served))
    # then
    assert all(settlement.applied for settlement in settlements)
    asyncio.run(assert_at_rest(ledger_on(driver, tables, alarms), "threads", alarms))


async def test_two_sweepers_and_the_gateways_settle_the_same_calls_once(
    ministack: MiniStack, tables: LedgerTables
) -> None:
    alarms = Alarms()
    async with hot_driver(ministack) as driver:
        # given calls that expire while their gateways are about to settle them
        gateway = ledger_on(driver, tables, alarms)
        await open_account(gateway, "swept")
        due = [replace(hold, expires_s=int(HandClock().now()) - 61) for hold in holds("swept")[:AFFORDABLE]]
        taken = [hold for hold in [await reserved(gateway, hold) for hold in due] if isinstance(hold, Hold)]
        sweepers = [ledger_on(driver, tables, alarms, seed) for seed in (1, 2)]
        # when all of them decide and apply at once
        await asyncio.gather(
            *(gateway.settle(hold, row_of(hold, COST)) for hold in taken),
            *(sweeper.sweep("swept") for sweeper in sweepers),
        )
        # then
        report = await gateway.reconcile("swept")
        assert report is not None
        assert (report.drift, report.live_holds, report.usage_rows) == (0, 0, AFFORDABLE)
        rows = [row async for row in gateway.store.usage_rows("swept")]
        assert report.charged == sum(row.cost for row in rows)
        assert {row.cost for row in rows if row.decided_by == "sweeper"} <= {0}
        assert report.available == AFFORDABLE * AMOUNT - report.charged
