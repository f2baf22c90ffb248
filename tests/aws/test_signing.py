"""Our signer makes, byte for byte, the headers that aiodynamo makes, also over a change of second, day and key."""

import datetime
from typing import Any

import orjson
import pytest
from aiodynamo.credentials import Key, StaticCredentials
from aiodynamo.sign import signed_dynamo_request
from yarl import URL

from multiconnection.aws.dynamo_async import AsyncDriver

KEYS = (Key("AKID", "secret"), Key("ASIA", "other", "a-session-token"))
# The last second of a day, the first of the next, and one a month later.
MOMENTS = (1_795_391_999.9, 1_795_392_000.1, 1_797_984_001.0)
PAYLOAD = {"TableName": "balances", "Key": {"account_id": {"S": "konto ö"}}}


class Frozen(datetime.datetime):
    at = 0.0

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> "Frozen":
        return cls.fromtimestamp(cls.at, tz)


@pytest.mark.parametrize("operation", ["UpdateItem", "PutItem"])
def test_headers_equal_those_of_aiodynamo(monkeypatch: pytest.MonkeyPatch, operation: str) -> None:
    monkeypatch.setattr("aiodynamo.sign.datetime.datetime", Frozen)
    monkeypatch.setattr("multiconnection.aws.dynamo_async.time.time", lambda: Frozen.at)
    endpoint = URL("http://dynamodb.example/")
    session: Any = None
    driver = AsyncDriver(session, StaticCredentials(KEYS[0]), "eu-west-1", str(endpoint))
    for moment in MOMENTS:
        Frozen.at = moment
        for key in (*KEYS, KEYS[0]):
            expected = signed_dynamo_request(
                key=key, payload=PAYLOAD, action=operation, region="eu-west-1", endpoint=endpoint
            )
            # aiodynamo escapes non-ASCII text, we do not: the signature is compared over its own body.
            assert driver.headers(key, operation, expected.body) == expected.headers
            assert orjson.loads(orjson.dumps(PAYLOAD)) == orjson.loads(expected.body)
