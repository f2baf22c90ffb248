"""Fixtures of limits, keys and authentication: tables, a clock set by hand, a driver that can fail."""

import asyncio
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
from moto import mock_aws

from multiconnection.aws.dynamo import Driver
from multiconnection.keys.models import ApiKey
from multiconnection.limits.limiter import DefaultRates
from multiconnection.retry import StoreError
from tools.memory_dynamo.driver import MemoryDynamo, TableKeys

from .moto_driver import MotoDriver, create_table

START_S = 1_800_000_000.0
LIMITS, KEYS, BALANCES = "limits", "keys", "balances"


@dataclass
class HandClock:
    at: float = START_S

    def now(self) -> float:
        return self.at

    def now_ns(self) -> int:
        return int(self.at * 10**9)


class SeededRng:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def below(self, bound: int) -> int:
        return self._random.randrange(bound)

    def reseed(self, seed: int) -> None:
        self._random.seed(seed)


@dataclass
class WatchedDriver:
    """Yields to other coroutines before and after each call, counts the calls, and raises `failure` if there is one."""

    driver: Driver
    calls: list[str] = field(default_factory=list)
    failure: StoreError | None = None

    async def call(self, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        self.calls.append(operation)
        await asyncio.sleep(0)
        if self.failure:
            raise self.failure
        answer = await self.driver.call(operation, payload)
        await asyncio.sleep(0)
        return answer


DEFAULTS = DefaultRates(
    account_requests_per_minute=3000,
    account_tokens_per_minute=2_000_000,
    ip_requests_per_minute=12_000,
    ip_failed_auth_per_minute=60,
)


def memory_driver() -> Driver:
    return MemoryDynamo(
        {
            LIMITS: TableKeys("subject"),
            BALANCES: TableKeys("account_id"),
            KEYS: TableKeys(
                "key_hash", indexes={"by_account": ("account_id", "key_id")}, full_indexes=frozenset({"by_account"})
            ),
        }
    )


@contextmanager
def driver_named(name: str) -> Iterator[Driver]:
    """ "memory" or "moto", with the three tables."""
    if name == "memory":
        yield memory_driver()
        return
    with mock_aws():
        client = boto3.client(
            "dynamodb", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
        )
        create_table(client, LIMITS, "subject")
        create_table(client, BALANCES, "account_id")
        create_table(client, KEYS, "key_hash", ("by_account", "account_id", "key_id"))
        yield MotoDriver(client)


def some_key(**changes: Any) -> ApiKey:
    fields: dict[str, Any] = {
        "key_hash": "hash",
        "key_id": "k1",
        "account_id": "a1",
        "name": "test",
        "status": "active",
        "last4": "last",
        "created_s": int(START_S),
        "epoch": 0,
    }
    return ApiKey(**fields | changes)
