"""The drivers held to one suite, and the tables that each of them gets."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import boto3
from aiodynamo.credentials import Key, StaticCredentials
from botocore.config import Config
from moto import mock_aws

from multiconnection.aws.boto import BotoDriver
from multiconnection.aws.dynamo import Driver
from multiconnection.aws.dynamo_async import AsyncDriver
from tools.memory_dynamo.driver import MemoryDynamo, TableKeys

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

REGION = "us-east-1"
ACCOUNTS, TEXTS, NUMBERS, SCANNED = "accounts", "texts", "numbers", "scanned"
INDEX = "by_activity"
TABLES: Mapping[str, TableKeys] = {
    ACCOUNTS: TableKeys(
        "pk",
        indexes={INDEX: ("activity_shard", "activity_bucket")},
        types={"pk": "S", "activity_shard": "S", "activity_bucket": "N"},
    ),
    TEXTS: TableKeys("pk", "sk", types={"pk": "S", "sk": "S"}),
    NUMBERS: TableKeys("pk", "sk", types={"pk": "S", "sk": "N"}),
    SCANNED: TableKeys("pk", indexes={INDEX: ("activity_shard", None)}, types={"pk": "S", "activity_shard": "S"}),
}


def create_tables(client: "DynamoDBClient") -> None:
    for name, keys in TABLES.items():
        client.create_table(**_definition(name, keys))


def _definition(name: str, keys: TableKeys) -> Any:
    definition: dict[str, Any] = {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": _key_schema(keys.hash, keys.range),
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": kind} for name, kind in keys.types.items()],
    }
    if keys.indexes:
        definition["GlobalSecondaryIndexes"] = [
            {"IndexName": index, "KeySchema": _key_schema(*pair), "Projection": {"ProjectionType": "KEYS_ONLY"}}
            for index, pair in keys.indexes.items()
        ]
    return definition


def _key_schema(hash_key: str, range_key: str | None) -> list[dict[str, str]]:
    schema = [{"AttributeName": hash_key, "KeyType": "HASH"}]
    return schema + ([{"AttributeName": range_key, "KeyType": "RANGE"}] if range_key else [])


def boto_client(endpoint_url: str | None = None) -> "DynamoDBClient":
    """Never re-sends: the suite must see each answer. Requests that botocore itself would refuse go out as well."""
    return boto3.client(
        "dynamodb",
        region_name=REGION,
        endpoint_url=endpoint_url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
    )


@contextmanager
def moto_driver() -> Iterator[Driver]:
    with mock_aws():
        client = boto_client()
        create_tables(client)
        yield BotoDriver(client)


@contextmanager
def boto_driver(endpoint_url: str) -> Iterator[Driver]:
    client = boto_client(endpoint_url)
    try:
        yield BotoDriver(client)
    finally:
        client.close()


@asynccontextmanager
async def hot_driver(endpoint_url: str) -> AsyncIterator[Driver]:
    async with aiohttp.ClientSession() as session:
        yield AsyncDriver(session, StaticCredentials(Key("test", "test")), REGION, endpoint_url)


def memory_driver() -> Driver:
    return MemoryDynamo(TABLES)
