"""Administration on a real local AWS: every transaction, query and condition; people by address; no metrics yet."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import aiohttp
import boto3
import pytest
from aiodynamo.credentials import Key, StaticCredentials

from local.ministack import MiniStack
from local.paths import MINISTACK
from local.people import ensure_user
from multiconnection.audit.log import AuditFilter
from multiconnection.aws.dynamo_async import AsyncDriver
from multiconnection.bootstrap.base import SystemClock
from multiconnection.catalog.health import CloudWatchMetrics
from multiconnection.catalog.schemas import PriceBody
from multiconnection.credits.models import AdjustmentStatus
from multiconnection.errors import GatewayError
from multiconnection.identity.cognito import CognitoPeople, UserPool
from multiconnection.identity.models import IdentityRefused, Session, account_id_of
from multiconnection.ledger.models import breaches
from multiconnection.money import NANO_PER_USD
from tests.support.admin_world import ADMIN, FUNDS, SECOND, TABLES, AdminWorld
from tests.support.aws_http import aws_http
from tools.memory_dynamo.driver import TableKeys

CREDENTIALS = StaticCredentials(Key("test", "test"))
PRICES = {"input": "1.00", "cached_input": "0.25", "output": "2.00"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniStack]:
    services = ("dynamodb", "cognito-idp", "monitoring")
    with MiniStack(MINISTACK, tmp_path_factory.mktemp("ministack"), services=services) as ministack:
        dynamodb = client(ministack, "dynamodb")
        for name, keys in TABLES.items():
            dynamodb.create_table(TableName=name, BillingMode="PAY_PER_REQUEST", **definition(keys))
        yield ministack


def client(ministack: MiniStack, service: str) -> Any:
    return boto3.client(
        service,  # type: ignore[call-overload]
        region_name=ministack.region,
        endpoint_url=ministack.endpoint_url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def definition(keys: TableKeys) -> Mapping[str, Any]:
    pairs = {"": (keys.hash, keys.range), **keys.indexes}
    schemas = {
        name: [
            {"AttributeName": key, "KeyType": kind}
            for key, kind in zip(pair, ("HASH", "RANGE"), strict=True)
            if key is not None
        ]
        for name, pair in pairs.items()
    }
    attributes = sorted({key for pair in pairs.values() for key in pair if key is not None})
    kinds = {"activity_bucket": "N"}
    made: dict[str, Any] = {
        "AttributeDefinitions": [{"AttributeName": key, "AttributeType": kinds.get(key, "S")} for key in attributes],
        "KeySchema": schemas.pop(""),
    }
    indexes = [
        {"IndexName": name, "KeySchema": schema, "Projection": {"ProjectionType": "ALL"}}
        for name, schema in schemas.items()
    ]
    return made | ({"GlobalSecondaryIndexes": indexes} if indexes else {})


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


@pytest.fixture
async def world(running: MiniStack, http: aiohttp.ClientSession) -> AdminWorld:
    driver = AsyncDriver(http, CREDENTIALS, running.region, running.endpoint_url)
    return AdminWorld(driver, SystemClock(), seed=time.time_ns())


def somebody() -> Session:
    user_id = f"u-{time.time_ns()}"
    return Session(account_id_of(user_id), f"{user_id}@example.com", "Somebody", False, user_id)


async def test_one_of_many_concurrent_bookings_and_decisions_wins(world: AdminWorld) -> None:
    who = somebody()
    account = await world.open(who)
    adjustments = world.adjustments
    small = await asyncio.gather(
        *(adjustments.propose(ADMIN, account, "-20", "x", "same-token") for _ in range(8)), return_exceptions=True
    )
    # A transaction that meets another one gives way, and may run out of patience; asked again it is done.
    assert {each.status for each in small if not isinstance(each, BaseException)} <= {AdjustmentStatus.APPLIED}
    assert (await adjustments.propose(ADMIN, account, "-20", "x", "same-token")).status is AdjustmentStatus.APPLIED
    large = await adjustments.propose(ADMIN, account, "500", "x", "large-token")
    third = Session("acct_third", "third@example.com", "", True, "u-third")
    await asyncio.gather(
        *(adjustments.approve(who, large.adjustment_id) for who in (SECOND, third)),
        *(adjustments.reject(who, large.adjustment_id, "no") for who in (SECOND, third)),
        return_exceptions=True,
    )
    final = await adjustments.get(large.adjustment_id)
    if final.status is AdjustmentStatus.APPROVED:
        final = await adjustments.approve(SECOND, large.adjustment_id)
    booked = 500 * NANO_PER_USD if final.status is AdjustmentStatus.APPLIED else 0
    image = await world.image(account)
    assert (image.available, breaches(image)) == (FUNDS - 20 * NANO_PER_USD + booked, [])
    with pytest.raises(GatewayError):
        await adjustments.propose(ADMIN, account, f"-{9 * 10**8}", "x", "too-much")
    log = await world.audit.page(None, AuditFilter(action="adjustment"), 100)
    own = [entry.action for entry in log.entries if entry.after.get("account_id") == account]
    assert own.count("adjustment.apply") == 1 + bool(booked)
    assert own.count("adjustment.approve") + own.count("adjustment.reject") == 1
    report = await world.ledger.reconcile(account)
    assert report is not None
    assert report.drift == 0


async def test_an_account_is_suspended_found_and_listed(world: AdminWorld) -> None:
    who = somebody()
    await world.open(who)
    record = await world.accounts.suspend(ADMIN, who.account_id, "x")
    assert (record.image.status, record.email) == ("suspended", who.email)
    found, cursor = set(), None
    for _ in range(100):
        page = await world.accounts.search("", 2, cursor)
        found |= {each.image.account_id for each in page.records}
        cursor = page.after
        if cursor is None:
            break
    assert who.account_id in found
    assert (await world.accounts.dossier(who.account_id)).credits[0].credit_id == "opening"


async def test_prices_and_switches(world: AdminWorld) -> None:
    await world.publish()
    base = (await world.prices.get("m-1")).head.price_version
    bodies = [PriceBody(prices=PRICES | {"output": price}, base_version=base) for price in ("2.10", "2.20", "2.30")]
    results = await asyncio.gather(
        *(world.prices.publish(ADMIN, "m-1", body) for body in bodies), return_exceptions=True
    )
    assert len([each for each in results if not isinstance(each, BaseException)]) == 1
    record = await world.prices.set_enabled(ADMIN, "m-1", enabled=False)
    assert (record.head.price_version, record.head.enabled) == (base + 1, False)
    await world.providers.set_enabled(ADMIN, "one", enabled=False)
    switches = await world.published.switches()
    assert (switches.providers_off, dict(switches.disabled_models)) == (frozenset({"one"}), {"m01": "m-1"})
    await world.prices.set_enabled(ADMIN, "m-1", enabled=True)
    await world.providers.set_enabled(ADMIN, "one", enabled=True)
    assert (await world.catalog.find("m-1")).price_version == base + 1


async def test_the_daily_run_and_its_reports(world: AdminWorld) -> None:
    who = somebody()
    await world.publish()
    await world.open(who)
    now_s = int(world.clock.now())
    await world.called(now_s - 86_400, who.account_id)
    await world.called(now_s, who.account_id)
    assert (await world.daily.run())["days"] > 0
    found = await world.revenue.revenue(now_s - 86_400, None, "account")
    assert (found.rows[who.account_id].calls, found.missing, found.truncated) == (2, [], False)
    latest = await world.reconciliation.latest()
    assert latest is not None
    assert latest.at_s >= now_s
    assert await world.reconciliation.run(ADMIN) == await world.reconciliation.latest()


async def test_people_are_found_by_the_beginning_of_their_address(running: MiniStack) -> None:
    cognito = client(running, "cognito-idp")
    pool = cognito.create_user_pool(PoolName="people", UsernameAttributes=["email"])["UserPool"]["Id"]
    ids = {
        email: ensure_user(cognito, pool, email, "a-Password-1")
        for email in ("ann@example.com", "anna@example.com", "bob@example.com", 'q"uote@example.com')
    }
    people = CognitoPeople(aws_http(running.endpoint_url), UserPool(pool, "any", running.region))
    assert set((await people.search("ann", 60, None)).user_ids) == {ids["ann@example.com"], ids["anna@example.com"]}
    assert list((await people.search("bob@", 60, None)).user_ids) == [ids["bob@example.com"]]
    assert list((await people.search("nobody", 60, None)).user_ids) == []
    # A quote in what is searched for ends no filter.
    try:
        found = await people.search('b" or email ^= "', 60, None)
    except IdentityRefused:
        return
    assert ids["ann@example.com"] not in found.user_ids


async def test_a_cloudwatch_that_knows_nothing_tells_nothing(running: MiniStack) -> None:
    metrics = CloudWatchMetrics("MultiConnection", aws_http(running.endpoint_url, region=running.region))
    now_s = int(time.time())
    found = await metrics.figures(["one", "two"], now_s - 900, now_s)
    assert {(each.answers, each.errors, each.p90_ms) for each in found.values()} == {(0, 0, None)}
    client(running, "cloudwatch").put_metric_data(
        Namespace="MultiConnection",
        MetricData=[
            {"MetricName": name, "Dimensions": [{"Name": "provider", "Value": "one"}], "Value": value}
            for name, value in (("UpstreamAnswers", 3), ("UpstreamErrors", 1), ("UpstreamLatency", 120.0))
        ],
    )
    one = (await metrics.figures(["one", "two"], now_s - 900, int(time.time()) + 60))["one"]
    assert (one.answers, one.errors) == (3, 1)
