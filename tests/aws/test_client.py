"""Signed JSON requests to AWS services: what is sent, what comes back, and how failures are told apart."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from aiodynamo.credentials import Key

from multiconnection.aws.client import AwsRefused, AwsService, AwsUnreachable

KEYS = [Key("AKIDOLD", "secret-1", "token-1"), Key("AKIDNEW", "secret-2", "token-2")]


class Account:
    """Credentials that change when they are invalidated."""

    def __init__(self) -> None:
        self.fetched = 0

    async def key(self) -> Key:
        return KEYS[self.fetched]

    def invalidate(self) -> None:
        self.fetched += 1


def service(
    answer: Callable[[httpx.Request], httpx.Response], account: Account | None = None, **more: Any
) -> AwsService:
    account = account or Account()
    http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    settings = {"name": "states", "target": "AWSStepFunctions", "region": "eu-west-1"} | more
    return AwsService(http, account.key, account.invalidate, **settings)


async def test_an_operation_is_a_signed_json_request() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"executionArn": "arn"})

    assert await service(answer).call("StartExecution", {"name": "o-1"}) == {"executionArn": "arn"}
    (request,) = seen
    assert str(request.url) == "https://states.eu-west-1.amazonaws.com/"
    assert request.headers["x-amz-target"] == "AWSStepFunctions.StartExecution"
    assert request.headers["content-type"] == "application/x-amz-json-1.0"
    assert request.headers["x-amz-security-token"] == "token-1"
    authorization = request.headers["authorization"]
    assert authorization.startswith("AWS4-HMAC-SHA256 Credential=AKIDOLD/")
    assert "/eu-west-1/states/aws4_request" in authorization
    assert "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target" in authorization
    assert request.content == b'{"name":"o-1"}'


async def test_a_signature_is_the_one_that_botocore_makes() -> None:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={})

    await service(answer).call("StartExecution", {"name": "ü"})
    (request,) = seen
    names = ("content-type", "x-amz-target", "x-amz-date")
    theirs = AWSRequest("POST", str(request.url), {n: request.headers[n] for n in names}, request.content)
    theirs.context["timestamp"] = request.headers["x-amz-date"]
    signer = SigV4Auth(Credentials("AKIDOLD", "secret-1", "token-1"), "states", "eu-west-1")
    theirs.headers["X-Amz-Security-Token"] = "token-1"
    text = signer.string_to_sign(theirs, signer.canonical_request(theirs))
    assert signer.signature(text, theirs) == request.headers["authorization"].rpartition("Signature=")[2]


@pytest.mark.parametrize("code", ["ExpiredTokenException", "ExpiredToken"])
async def test_expired_credentials_are_fetched_again_once(code: str) -> None:
    account, asked = Account(), []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers["authorization"].partition("/")[0].rpartition("=")[2])
        if asked[-1] == "AKIDOLD":
            return httpx.Response(400, json={"__type": f"com.amazon.coral.service#{code}"})
        return httpx.Response(200, json={"done": True})

    assert await service(answer, account).call("DescribeExecution", {}) == {"done": True}
    assert asked == ["AKIDOLD", "AKIDNEW"]


async def test_another_refusal_is_not_repeated_and_names_its_code_only() -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(400, json={"__type": "TaskDoesNotExist", "message": "token AQC"})

    with pytest.raises(AwsRefused) as caught:
        await service(answer).call("SendTaskSuccess", {"taskToken": "AQC"})
    assert (caught.value.status, caught.value.code, len(asked)) == (400, "TaskDoesNotExist", 1)
    assert "AQC" not in str(caught.value)


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        (
            {"x-amzn-query-error": "AWS.SimpleQueueService.NonExistentQueue;Sender"},
            b"{}",
            "AWS.SimpleQueueService.NonExistentQueue",
        ),
        ({"x-amzn-errortype": "AccessDeniedException:http://internal.amazon.com/"}, b"{}", "AccessDeniedException"),
        ({}, b"<html>", ""),
        ({}, b"[1]", ""),
    ],
)
async def test_the_code_of_an_error_is_found_where_services_put_it(
    headers: dict[str, str], body: bytes, code: str
) -> None:
    with pytest.raises(AwsRefused) as caught:
        await service(lambda _: httpx.Response(500, headers=headers, content=body)).call("SendMessage", {})
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("failure", "sent"),
    [
        (httpx.ConnectError("no"), False),
        (httpx.ConnectTimeout("no"), False),
        (httpx.ReadTimeout("no"), True),
        (httpx.RemoteProtocolError("cut"), True),
    ],
)
async def test_a_request_that_may_have_been_carried_out_is_told_apart(failure: Exception, sent: bool) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        raise failure

    with pytest.raises(AwsUnreachable) as caught:
        await service(answer).call("SendMessage", {})
    assert caught.value.sent is sent


async def test_an_unsigned_operation_carries_no_credentials() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={})

    local = service(answer, endpoint_url="http://127.0.0.1:4566")
    await local.call("SignUp", {"Username": "a"}, signed=False)
    assert str(seen[0].url) == "http://127.0.0.1:4566/"
    assert "authorization" not in seen[0].headers
