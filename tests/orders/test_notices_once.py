"""A person's notice is sent once, however often its step is repeated and by whichever process."""

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer
from moto import mock_aws
from moto.ses.models import ses_backends

from multiconnection.orders import notifications
from multiconnection.orders.models import Notice, NoticeFailed
from multiconnection.orders.notifications import AwsNotices, NoticeChannels

REGION, SENDER = "us-east-1", "orders@example.com"
NOTICE = Notice("order_credited", "ada@example.com", "Your order", "It is on your balance.", {"order_id": "ord_1"})


class World:
    def __init__(self) -> None:
        self.table = boto3.resource("dynamodb", region_name=REGION).create_table(
            TableName="limits",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "subject", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "subject", "KeyType": "HASH"}],
        )
        self.ses = boto3.client("ses", region_name=REGION)
        self.ses.verify_email_identity(EmailAddress=SENDER)

    def process(self) -> AwsNotices:
        """The notices of another process."""
        client = boto3.client("dynamodb", region_name=REGION)
        sent = DynamoDBPersistenceLayer("limits", key_attr="subject", expiry_attr="expires_at", boto3_client=client)
        return AwsNotices(NoticeChannels(SENDER), REGION, None, lambda: sent)

    @property
    def mails(self) -> int:
        return sum(len(regions[REGION].sent_messages) for regions in ses_backends.values())

    def records(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.table.scan()["Items"]
        return found


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield World()


async def test_a_step_that_is_repeated_sends_once(world: World) -> None:
    for _ in range(3):
        await world.process().send(NOTICE)
    assert world.mails == 1
    [record] = world.records()
    assert record["subject"].startswith("notice#")
    assert "ada@example.com" not in str(record)


async def test_other_outcomes_and_other_orders_are_other_notices(world: World) -> None:
    await world.process().send(NOTICE)
    await world.process().send(replace(NOTICE, kind="order_rejected"))
    await world.process().send(replace(NOTICE, facts={"order_id": "ord_2"}))
    assert world.mails == 3


async def test_a_notice_that_could_not_be_sent_is_sent_by_the_next_attempt(world: World) -> None:
    world.ses.delete_identity(Identity=SENDER)
    with pytest.raises(NoticeFailed):
        await world.process().send(NOTICE)
    assert world.records() == []
    world.ses.verify_email_identity(EmailAddress=SENDER)
    await world.process().send(NOTICE)
    assert world.mails == 1


async def test_while_another_process_sends_the_step_fails_and_comes_again(world: World) -> None:
    await world.process().send(NOTICE)
    [record] = world.records()
    world.table.put_item(Item={**record, "status": "INPROGRESS", "in_progress_expiration": 2**42})
    with pytest.raises(NoticeFailed, match="InProgress"):
        await world.process().send(NOTICE)
    assert world.mails == 1


async def test_a_process_that_died_while_sending_holds_the_notice_up_for_a_minute_at_most(world: World) -> None:
    await world.process().send(NOTICE)
    [record] = world.records()
    assert record.get("in_progress_expiration") is not None
    world.table.put_item(Item={**record, "status": "INPROGRESS", "in_progress_expiration": 1})
    await world.process().send(NOTICE)
    assert world.mails == 2
    assert notifications.STEP_MS == 60_000


async def test_without_its_table_nothing_is_sent_and_the_step_comes_again(world: World) -> None:
    world.table.delete()
    with pytest.raises(NoticeFailed):
        await world.process().send(NOTICE)
    assert world.mails == 0
