"""Cognito's answers as our errors, which never repeat its words."""

import asyncio
import base64
import hashlib
import hmac
from typing import Any

import httpx
import orjson
import pytest

from multiconnection.errors import IdentityUnavailable
from multiconnection.identity import models as ports
from multiconnection.identity.cognito import Cognito, JwksUrl, UserPool
from tests.support.aws_http import aws_http

ADA, SECRET = "ada@example.com", "the client's secret"
CASES = {
    "NotAuthorizedException": ports.CredentialsRefused,
    "UserNotFoundException": ports.CredentialsRefused,
    "PasswordResetRequiredException": ports.CredentialsRefused,
    "UserNotConfirmedException": ports.NotConfirmed,
    "UsernameExistsException": ports.EmailTaken,
    "CodeMismatchException": ports.CodeRefused,
    "ExpiredCodeException": ports.CodeRefused,
    "EnableSoftwareTokenMFAException": ports.CodeRefused,
    "InvalidPasswordException": ports.PasswordRefused,
    "InvalidParameterException": ports.RequestRefused,
    "CodeDeliveryFailureException": ports.RequestRefused,
    "RefreshTokenReuseException": ports.CredentialsRefused,
    "LimitExceededException": ports.AttemptsExhausted,
    "TooManyFailedAttemptsException": ports.AttemptsExhausted,
}


POOL = UserPool("us-east-1_pool", "client", "us-east-1")


def answering(status: int, body: bytes) -> Cognito:
    """A client whose every operation is answered like this."""
    return Cognito(aws_http(transport=httpx.MockTransport(lambda _: httpx.Response(status, content=body))), POOL)


@pytest.mark.parametrize("prefix", ["", "com.amazonaws.cognito#"])
@pytest.mark.parametrize("code", CASES)
async def test_refusals_are_distinguished(code: str, prefix: str) -> None:
    body = f'{{"__type": "{prefix}{code}", "message": "ada@example.com"}}'.encode()
    with pytest.raises(CASES[code]) as refused:
        await answering(400, body).rename("token", "Ada")
    assert "ada@" not in f"{refused.value!r} {refused.value.__cause__!r} {refused.value.__context__!r}"


async def test_a_mail_that_could_not_be_sent_is_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("WARNING", "multiconnection")
    with pytest.raises(ports.RequestRefused):
        await answering(400, b'{"__type": "CodeDeliveryFailureException", "message": "ada@example.com"}').rename(
            "t", "A"
        )
    (record,) = caplog.records
    assert (record.levelname, record.message) == ("WARNING", "code_not_delivered")
    assert "ada@" not in str(vars(record))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b'{"__type": "TooManyRequestsException"}'),
        (400, b'{"__type": "ResourceNotFoundException"}'),
        (400, b"{}"),
        (500, b'{"__type": "InternalErrorException"}'),
        (500, b'{"__type": "NotAuthorizedException"}'),
        (502, b"<html>"),
        (200, b"<html>"),
        (200, b"[]"),
    ],
)
async def test_everything_else_is_an_outage(status: int, body: bytes) -> None:
    with pytest.raises(IdentityUnavailable) as refused:
        await answering(status, body).rename("token", "Ada")
    assert refused.value.retry_after_s == 2
    assert "html" not in f"{refused.value.message} {refused.value.__cause__!r} {refused.value.__context__!r}"


async def test_a_successful_answer_may_be_empty() -> None:
    await answering(200, b"").rename("token", "Ada")


@pytest.mark.parametrize(("status", "body"), [(200, b"<html>"), (404, b"{}"), (500, b"")])
async def test_keys_that_cannot_be_fetched_are_an_outage(status: int, body: bytes) -> None:
    aws = aws_http(transport=httpx.MockTransport(lambda _: httpx.Response(status, content=body)))
    with pytest.raises(IdentityUnavailable):
        await JwksUrl(aws, POOL.jwks_url).fetch()


class Wire:
    """Keeps what it was sent; the answer to an operation is that of its name, or `answer`."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        self.answer: dict[str, Any] = {"AuthenticationResult": {"IdToken": "i", "AccessToken": "a"}}
        self.answers: dict[str, Any] = {
            "DescribeUserPoolClient": {"UserPoolClient": {"ClientId": "client", "ClientSecret": SECRET}},
            "AdminGetUser": {
                "Username": "id-of-ada",
                "UserAttributes": [{"Name": "sub", "Value": "id-of-ada"}],
                "UserMFASettingList": ["SOFTWARE_TOKEN_MFA"],
            },
        }

    def handle(self, request: httpx.Request) -> httpx.Response:
        operation = request.headers["x-amz-target"].rpartition(".")[2]
        self.requests.append((operation, orjson.loads(request.content), dict(request.headers)))
        return httpx.Response(200, json=self.answers.get(operation, self.answer))

    def sent(self, operation: str) -> list[dict[str, Any]]:
        return [body for name, body, _ in self.requests if name == operation]


def secret_hash(user: str) -> str:
    return base64.b64encode(hmac.digest(SECRET.encode(), f"{user}client".encode(), hashlib.sha256)).decode()


@pytest.fixture
def wire() -> tuple[Wire, Cognito]:
    found = Wire()
    return found, Cognito(aws_http(transport=httpx.MockTransport(found.handle)), POOL)


async def test_operations_of_the_client_are_unsigned_and_admin_ones_are_signed(wire: tuple[Wire, Cognito]) -> None:
    server, cognito = wire
    assert await cognito.refresh("r") == ports.Tokens("i", "a", None)
    assert await cognito.has_totp("user")
    await cognito.set_password("ada@example.com", "correct horse 1")
    described, refreshed, asked, set_by_us = [headers for _, _, headers in server.requests]
    assert refreshed["x-amz-target"] == "AWSCognitoIdentityProviderService.GetTokensFromRefreshToken"
    assert "authorization" not in refreshed
    for signed in (described, asked, set_by_us):
        assert "/us-east-1/cognito-idp/aws4_request" in signed["authorization"]


async def test_the_clients_secret_is_read_once_and_proved_with_every_operation(wire: tuple[Wire, Cognito]) -> None:
    server, cognito = wire
    await asyncio.gather(*(cognito.sign_in(ADA, "correct horse 1") for _ in range(3)))
    await cognito.sign_up(ADA, "correct horse 1", "Ada")
    await cognito.confirm_sign_up(ADA, "1")
    await cognito.resend_code(ADA)
    await cognito.forgot(ADA)
    await cognito.reset(ADA, "1", "correct horse 1")
    await cognito.answer_totp("id-of-ada", "s", "1")
    await cognito.answer_new_password("id-of-ada", "s", "correct horse 1")
    await cognito.refresh("r")
    await cognito.revoke("r")
    of_ada, of_id = secret_hash(ADA), secret_hash("id-of-ada")
    assert [body["AuthParameters"]["SECRET_HASH"] for body in server.sent("InitiateAuth")] == [of_ada] * 3
    for operation in ("SignUp", "ConfirmSignUp", "ResendConfirmationCode", "ForgotPassword", "ConfirmForgotPassword"):
        (body,) = server.sent(operation)
        assert (body["Username"], body["SecretHash"]) == (ADA, of_ada)
    for body in server.sent("RespondToAuthChallenge"):
        responses = body["ChallengeResponses"]
        assert (responses["USERNAME"], responses["SECRET_HASH"]) == ("id-of-ada", of_id)
    for operation in ("GetTokensFromRefreshToken", "RevokeToken"):
        assert server.sent(operation)[0]["ClientSecret"] == SECRET
    assert len(server.sent("DescribeUserPoolClient")) == 1


async def test_a_client_without_a_secret_is_an_outage_and_asked_about_again(wire: tuple[Wire, Cognito]) -> None:
    server, cognito = wire
    good = server.answers["DescribeUserPoolClient"]
    for bad in ({}, {"UserPoolClient": {"ClientId": "client"}}):
        server.answers["DescribeUserPoolClient"] = bad
        with pytest.raises(IdentityUnavailable):
            await cognito.sign_in(ADA, "correct horse 1")
    assert not server.sent("InitiateAuth")
    server.answers["DescribeUserPoolClient"] = good
    await cognito.sign_in(ADA, "correct horse 1")


class Throttled:
    """Answers as Cognito does: `rate` reads of the client a second, from all processes together."""

    def __init__(self, server: Wire, rate: int) -> None:
        self._server = server
        self._rate = rate
        self._room = float(rate)
        self._at_s = 0.0
        self.refused = 0

    def handle(self, request: httpx.Request) -> httpx.Response:
        if not request.headers["x-amz-target"].endswith(".DescribeUserPoolClient"):
            return self._server.handle(request)
        now_s = asyncio.get_running_loop().time()
        self._room = min(self._rate, self._room + (now_s - self._at_s) * self._rate)
        self._at_s = now_s
        if self._room < 1:
            self.refused += 1
            return httpx.Response(400, json={"__type": "TooManyRequestsException"})
        self._room -= 1
        return self._server.handle(request)


@pytest.mark.virtual_time
async def test_a_hundred_consoles_that_start_at_once_all_sign_people_in() -> None:
    server = Wire()
    throttled = Throttled(server, 15)
    aws = aws_http(transport=httpx.MockTransport(throttled.handle))
    consoles = [Cognito(aws, POOL) for _ in range(100)]
    found = await asyncio.gather(*(console.refresh("r") for console in consoles))
    assert found == [ports.Tokens("i", "a", None)] * 100
    assert len(server.sent("DescribeUserPoolClient")) == 100
    assert throttled.refused > 100


async def test_only_reads_are_repeated() -> None:
    asked: list[str] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers["x-amz-target"].rpartition(".")[2])
        return httpx.Response(400, json={"__type": "TooManyRequestsException"})

    cognito = Cognito(aws_http(transport=httpx.MockTransport(refuse)), POOL)
    for call in (cognito.change_password("token", "a", "b"), cognito.set_password(ADA, "b"), cognito.rename("t", "A")):
        with pytest.raises(IdentityUnavailable):
            await call
    assert asked == ["ChangePassword", "AdminSetUserPassword", "UpdateUserAttributes"]


async def test_a_user_without_an_id_is_an_outage(wire: tuple[Wire, Cognito]) -> None:
    server, cognito = wire
    server.answers["AdminGetUser"] = {"Username": "ada"}
    server.answer = {"ChallengeName": "SOFTWARE_TOKEN_MFA", "Session": "s"}
    with pytest.raises(IdentityUnavailable):
        await cognito.sign_in(ADA, "correct horse 1")


async def test_a_challenge_that_we_do_not_ask_for_is_an_outage(wire: tuple[Wire, Cognito]) -> None:
    server, cognito = wire
    server.answer = {"ChallengeName": "SMS_MFA", "Session": "s"}
    with pytest.raises(IdentityUnavailable):
        await cognito.sign_in("ada@example.com", "correct horse 1")


def test_a_pool_knows_its_places() -> None:
    pool = UserPool("eu-west-1_abc", "client", "eu-west-1")
    assert pool.issuer == "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc"
    assert pool.jwks_url == f"{pool.issuer}/.well-known/jwks.json"
    local = UserPool("us-east-1_abc", "client", "us-east-1", "http://127.0.0.1:4566")
    assert local.jwks_url == "http://127.0.0.1:4566/us-east-1_abc/.well-known/jwks.json"
    assert local.issuer == "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_abc"


def test_no_token_shows_in_a_log() -> None:
    assert "secret" not in repr(ports.Tokens("secret", "secret", "secret"))
    assert "secret" not in repr(ports.Challenge("totp", "ada", "secret"))
