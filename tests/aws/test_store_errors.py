"""What the drivers and the queue's client make of failures: always a StoreError, repeated only where that may help."""

from typing import Any

import aiohttp
import pytest
from aiodynamo.credentials import Credentials, Key
from botocore.stub import Stubber

from multiconnection.aws.dynamo import RequestRejected
from multiconnection.aws.dynamo_async import AsyncDriver
from multiconnection.ledger.dynamo import SqsFallbackQueue, decode
from multiconnection.ledger.models import UsageRow
from multiconnection.retry import TRANSIENT, OutcomeUnknown, StoreError, StoreThrottled, StoreUnavailable
from multiconnection.usage import Ended, Usage, UsageSource

ROW = UsageRow(
    account_id="a1",
    hold_id="h1",
    birth=1,
    hold=9,
    cost=5,
    overrun=0,
    key_id="k1",
    model="m-1",
    price_version=7,
    usage=Usage(output=5),
    usage_source=UsageSource.UPSTREAM,
    ended=Ended.COMPLETE,
    decided_by="gateway",
    created_ms=1,
)


class BrokenCredentials(Credentials):
    """A chain whose source fails after it was chosen: aiodynamo passes on whatever it meets."""

    def __init__(self, failure: Exception) -> None:
        self.failure = failure

    async def get_key(self, http: object) -> Key | None:
        raise self.failure

    def invalidate(self) -> bool:
        return False

    def is_disabled(self) -> bool:
        return False


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> SqsFallbackQueue:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    return SqsFallbackQueue("https://sqs.example/queue", "us-east-1")


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (403, "AccessDenied", RequestRejected),
        (400, "AWS.SimpleQueueService.NonExistentQueue", RequestRejected),
        (400, "KMS.DisabledException", RequestRejected),
        (400, "KMS.ThrottlingException", StoreThrottled),
        (403, "RequestThrottled", StoreThrottled),
        (500, "InternalError", OutcomeUnknown),
    ],
)
async def test_the_queues_refusals_are_named(
    queue: SqsFallbackQueue, status: int, code: str, error: type[StoreError]
) -> None:
    with Stubber(queue._connected()) as stub:
        stub.add_client_error("send_message", code, http_status_code=status)
        with pytest.raises(error):
            await queue.send(ROW)
    assert issubclass(error, TRANSIENT) is (error is not RequestRejected)


async def test_what_is_sent_is_the_message_that_an_alarm_would_hold(queue: SqsFallbackQueue) -> None:
    sent = {"QueueUrl": "https://sqs.example/queue", "MessageBody": queue.message(ROW)}
    with Stubber(queue._connected()) as stub:
        stub.add_response("send_message", {"MessageId": "1"}, sent)
        await queue.send(ROW)
    assert decode(queue.message(ROW)) == ROW


def test_the_queues_client_waits_three_seconds_at_most_and_sends_once(queue: SqsFallbackQueue) -> None:
    config = queue._connected().meta.config
    assert (config.connect_timeout, config.read_timeout) == (1.0, 2.0)
    assert config.retries["total_max_attempts"] == 1


@pytest.mark.parametrize("failure", [KeyError("Token"), TimeoutError(), OSError("gone"), RuntimeError("odd")])
async def test_credentials_that_cannot_be_had_are_a_store_that_was_not_asked(failure: Exception) -> None:
    async with aiohttp.ClientSession() as session:
        driver = AsyncDriver(session, BrokenCredentials(failure), "us-east-1", "http://127.0.0.1:9")
        with pytest.raises(StoreUnavailable, match=type(failure).__name__):
            await driver.call("PutItem", {})


@pytest.mark.parametrize("body", [b"[]", b"1", b'"text"', b"<html>"])
def test_an_answer_that_is_no_object_leaves_the_outcome_unknown(body: bytes) -> None:
    driver: Any = object.__new__(AsyncDriver)
    with pytest.raises(OutcomeUnknown):
        driver._answer(200, body, "PutItem")
