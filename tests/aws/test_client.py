"""Signed JSON requests to AWS services: what is sent, what comes back, and how failures are told apart."""

import asyncio
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Any

import httpx
import pytest
from aiodynamo.credentials import Key

from multiconnection.aws.client import AwsHttp, AwsRefused, AwsService, AwsUnreachable
from multiconnection.aws.sigv4 import KeyUnavailable

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
    answer: Callable[[httpx.Request], Any],
    account: Account | None = None,
    endpoint_url: str | None = None,
    **more: Any,
) -> AwsService:
    account, transport = account or Account(), httpx.MockTransport(answer)
    http = AwsHttp(account.key, account.invalidate, "eu-west-1", endpoint_url, transport=transport)
    return AwsService(http, "states", "AWSStepFunctions", **more)


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


async def test_an_operation_that_may_be_repeated_is_sent_again_after_a_failure() -> None:
    answers: list[Any] = [httpx.ReadTimeout("no"), httpx.Response(503), httpx.Response(400, json={"__type": "Odd"})]

    def answer(_: httpx.Request) -> httpx.Response:
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        assert isinstance(found, httpx.Response)
        return found

    with pytest.raises(AwsRefused, match="503"):
        await service(answer, attempts_max=2).call("DescribeExecution", {})
    with pytest.raises(AwsRefused, match="Odd"):
        await service(answer, attempts_max=2).call("DescribeExecution", {})
    assert not answers


@pytest.mark.virtual_time
@pytest.mark.parametrize(("repeat_s", "least", "most"), [(3.0, 4, 12), (0.0, 1, 1)])
async def test_repetitions_pause_for_random_times_and_end_in_time(repeat_s: float, least: int, most: int) -> None:
    clock, asked_s = asyncio.get_running_loop(), list[float]()

    def answer(_: httpx.Request) -> httpx.Response:
        asked_s.append(clock.time())
        return httpx.Response(400, json={"__type": "TooManyRequestsException"})

    with pytest.raises(AwsRefused, match="TooManyRequests"):
        await service(answer, attempts_max=12, repeat_s=repeat_s).call("DescribeUserPoolClient", {})
    assert least <= len(asked_s) <= most
    # The longest pause is 2 s.
    assert asked_s[-1] - asked_s[0] <= repeat_s + 2
    assert len({after - before for before, after in pairwise(asked_s)}) >= min(least - 1, 3)


@pytest.mark.virtual_time
@pytest.mark.parametrize("failure", [httpx.Response(500), httpx.ConnectError("no"), httpx.ReadTimeout("no")], ids=repr)
async def test_a_service_that_is_down_is_asked_twice_however_many_attempts_load_may_take(failure: Any) -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if isinstance(failure, Exception):
            raise failure
        assert isinstance(failure, httpx.Response)
        return failure

    with pytest.raises((AwsRefused, AwsUnreachable)):
        await service(answer, attempts_max=12, repeat_s=12).call("DescribeUserPoolClient", {})
    assert len(asked) == 2


@pytest.mark.parametrize("body", [b"<html>", b"[]"])
async def test_a_successful_answer_that_is_no_object_leaves_the_outcome_unknown(body: bytes) -> None:
    with pytest.raises(AwsUnreachable) as caught:
        await service(lambda _: httpx.Response(200, content=body)).call("SendMessage", {})
    assert caught.value.sent
    assert "html" not in str(caught.value)


async def test_a_request_ends_within_its_bound_however_slowly_it_is_answered() -> None:
    async def answer(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(AwsUnreachable) as caught:
        await service(answer, total_s=0.01).call("SendMessage", {})
    assert caught.value.sent


async def test_without_credentials_nothing_is_sent() -> None:
    class Nothing(Account):
        async def key(self) -> Key:
            raise KeyUnavailable("no AWS credentials")

    with pytest.raises(AwsUnreachable, match="no AWS credentials") as caught:
        await service(lambda _: httpx.Response(200), Nothing()).call("SendMessage", {})
    assert not caught.value.sent


async def test_no_cookie_is_kept() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, headers={"set-cookie": "a=b"}, json={})

    found = service(answer)
    for _ in range(2):
        await found.call("SendMessage", {})
    assert all("cookie" not in request.headers for request in seen)


def test_without_kept_connections_a_client_serves_one_event_loop_after_another() -> None:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        account = Account()
        url = f"http://127.0.0.1:{server.server_port}"
        http = AwsHttp(account.key, account.invalidate, "eu-west-1", url, keep_alive=False)
        queue = AwsService(http, "sqs", "AmazonSQS")
        for _ in range(2):
            assert asyncio.run(queue.call("SendMessage", {})) == {}
        server.shutdown()


async def test_workers_sign_with_the_credentials_that_botocore_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    from multiconnection.aws.boto import aws_http

    for name, value in (("ACCESS_KEY_ID", "AKIDOWN"), ("SECRET_ACCESS_KEY", "secret"), ("SESSION_TOKEN", "token")):
        monkeypatch.setenv(f"AWS_{name}", value)
    assert await aws_http("eu-west-1").key() == Key("AKIDOWN", "secret", "token")
