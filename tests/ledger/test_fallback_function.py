"""The fallback queue's function, in this process: each message for itself, and nothing that fails unseen."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from functions.fallback.app import handler
from local.invocations import LocalContext
from multiconnection.bootstrap.workers import shared_workers
from multiconnection.ledger.dynamo import encode
from multiconnection.ledger.models import AccountLimits
from tests.support.ledger_world import (
    ACCOUNT,
    BALANCES,
    COST,
    CREDITS,
    USAGE,
    LedgerWorld,
    credit_row,
    row_of,
    some_hold,
)
from tests.support.wire_world import ENVIRONMENT
from tools.memory_dynamo.server import dynamo_server

BROKEN = "broken"
TABLES = {"BALANCES_TABLE": BALANCES, "USAGE_TABLE": USAGE, "CREDITS_TABLE": CREDITS}
STRANGE = ["", "{", "[]", "1", "null", '"text"', '{"birth": 1}', '{"birth": {"N": []}}']


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[LedgerWorld]:
    world = LedgerWorld()
    with dynamo_server(world.driver.tables) as url:
        for name, value in (ENVIRONMENT | TABLES | {"AWS_ENDPOINT_URL": url}).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        shared_workers.cache_clear()
        yield world
        shared_workers.cache_clear()


async def hold_on(world: LedgerWorld, account_id: str) -> str:
    """The message about a call of this account that ran and was not charged yet."""
    await world.ledger.create_account(account_id, "", AccountLimits())
    await world.ledger.credit(replace(credit_row(f"opening-{account_id}", 10 * COST, "grant"), account_id=account_id))
    return encode(row_of(await world.reserve(replace(some_hold("hold-1"), account_id=account_id))))


def break_account(world: LedgerWorld, account_id: str) -> None:
    request = {
        "TableName": BALANCES,
        "Key": {"account_id": {"S": account_id}},
        "UpdateExpression": "SET #h = :h",
        "ExpressionAttributeNames": {"#h": "h_hold-2"},
        "ExpressionAttributeValues": {":h": {"S": "9" * 30}},
    }
    world.driver.tables.execute("UpdateItem", request)


def invoke(messages: dict[str, str], request_id: str = "lambda-1") -> list[str]:
    """The ids of the messages to be delivered again."""
    records = [{"messageId": message_id, "body": body} for message_id, body in messages.items()]
    answer = handler({"Records": records}, LocalContext("FallbackFunction", 60.0, aws_request_id=request_id))
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_an_account_that_cannot_be_read_fails_its_own_message_and_an_operator_is_told(
    world: LedgerWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    good, broken = asyncio.run(hold_on(world, ACCOUNT)), asyncio.run(hold_on(world, BROKEN))
    break_account(world, BROKEN)
    assert invoke({"broken": broken, "good": good}) == ["broken"]
    account = asyncio.run(world.ledger.store.account(ACCOUNT))
    assert account is not None
    assert (account.charged, account.holds) == (COST, {})
    written = lines(capsys.readouterr().err)
    [alarm] = [line for line in written if line.get("alarm") == "fallback_message_failed"]
    assert (alarm["severity"], alarm["message_id"], alarm["Alarms"]) == ("degraded", "broken", 1)
    [failure] = [line for line in written if line["message"] == "a message was not settled"]
    assert failure["exception"], "the stack tells where"


def test_messages_that_are_not_ours_are_named_in_alarms(world: LedgerWorld, capsys: pytest.CaptureFixture[str]) -> None:
    messages = {f"strange-{number}": body for number, body in enumerate(STRANGE)}
    assert invoke(messages) == list(messages)
    alarms = [line for line in lines(capsys.readouterr().err) if "alarm" in line]
    assert {line["alarm"] for line in alarms} == {"fallback_message_unreadable"}
    assert [line["message_id"] for line in alarms] == list(messages)


def test_the_lines_of_every_invocation_have_its_own_id(world: LedgerWorld, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(3):
        invoke({"strange": "{}"}, f"lambda-{number}")
    written = [line for line in lines(capsys.readouterr().err) if "alarm" in line]
    assert [line["request_id"] for line in written] == ["lambda-0", "lambda-1", "lambda-2"]
    built = shared_workers.cache_info()
    assert (built.misses, built.hits) == (1, 2), "clients are built by the first invocation of a process"
