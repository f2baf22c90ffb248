"""What the drivers and the queue's client make of failures: always a StoreError, repeated only where that may help."""

import json
from collections.abc import Callable
from typing import Any

import aiohttp
import httpx
import pytest
from aiodynamo.credentials import Credentials, Key

from multiconnection.aws.dynamo import RequestRejected
from multiconnection.aws.dynamo_async import AsyncDriver
from multiconnection.ledger.dynamo import SEND_TIMEOUT_S, SqsFallbackQueue, decode
from multiconnection.ledger.ledger import SETTLE_S
from multiconnection.ledger.models import UsageRow
from multiconnection.retry import TRANSIENT, OutcomeUnknown, StoreError, StoreThrottled, StoreUnavailable
from multiconnection.usage import Ended, Usage, UsageSource
from tests.support.aws_http import aws_http

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


def queue(answer: Callable[[httpx.Request], httpx.Response]) -> SqsFallbackQueue:
    return SqsFallbackQueue("https://sqs.example/queue", aws_http(transport=httpx.MockTransport(answer)))


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (403, "AccessDenied", RequestRejected),
        (400, "AWS.SimpleQueueService.NonExistentQueue", RequestRejected),
        (400, "KMS.DisabledException", RequestRejected),
        (400, "KMS.ThrottlingException", StoreThrottled),
        (403, "RequestThrottled", StoreThrottled),
        (403, "InvalidSignatureException", StoreUnavailable),
        (500, "InternalError", OutcomeUnknown),
    ],
)
async def test_the_queues_refusals_are_named(status: int, code: str, error: type[StoreError]) -> None:
    sent = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(status, json={"__type": f"com.amazonaws.sqs#{code}", "message": "row"})

    with pytest.raises(error):
        await queue(answer).send(ROW)
    assert len(sent) == 1
    assert issubclass(error, TRANSIENT) is (error is not RequestRejected)


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (httpx.ConnectError("no"), StoreUnavailable),
        (httpx.ConnectTimeout("no"), StoreUnavailable),
        (httpx.ReadTimeout("no"), OutcomeUnknown),
        (httpx.RemoteProtocolError("cut"), OutcomeUnknown),
    ],
)
async def test_a_message_that_may_be_in_the_queue_is_told_apart(failure: Exception, error: type[StoreError]) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        raise failure

    with pytest.raises(error):
        await queue(answer).send(ROW)


async def test_what_is_sent_is_the_message_that_an_alarm_would_hold() -> None:
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json={"MessageId": "1"})

    found = queue(answer)
    await found.send(ROW)
    (request,) = sent
    assert request.headers["x-amz-target"] == "AmazonSQS.SendMessage"
    assert json.loads(request.content) == {"QueueUrl": "https://sqs.example/queue", "MessageBody": found.message(ROW)}
    assert decode(found.message(ROW)) == ROW


async def test_an_answer_without_a_messages_id_leaves_the_outcome_unknown() -> None:
    with pytest.raises(OutcomeUnknown):
        await queue(lambda _: httpx.Response(200, json={})).send(ROW)


def test_two_attempts_that_hang_fit_into_a_settlement() -> None:
    assert 2 * SEND_TIMEOUT_S < SETTLE_S


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
