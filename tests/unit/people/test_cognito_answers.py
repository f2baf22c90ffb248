"""Cognito's answers as our errors, and what is never repeated of them."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiodynamo.credentials import Key, StaticCredentials
from aiohttp import web

from multiconnection.domain.errors import IdentityUnavailable
from multiconnection.services import identity_ports as ports
from multiconnection.storage.cognito import Cognito, UserPool, answer_of

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
    "LimitExceededException": ports.AttemptsExhausted,
    "TooManyFailedAttemptsException": ports.AttemptsExhausted,
}


@pytest.mark.parametrize("prefix", ["", "com.amazonaws.cognito#"])
@pytest.mark.parametrize("code", CASES)
def test_refusals_are_told_apart(code: str, prefix: str) -> None:
    body = f'{{"__type": "{prefix}{code}", "message": "ada@example.com"}}'.encode()
    with pytest.raises(CASES[code]) as refused:
        answer_of("SignUp", 400, body)
    assert "ada" not in str(refused.value)


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
def test_everything_else_is_an_outage(status: int, body: bytes) -> None:
    with pytest.raises(IdentityUnavailable) as refused:
        answer_of("SignUp", status, body)
    assert refused.value.retry_after_s == 2
    assert "html" not in refused.value.message


def test_a_good_answer_may_be_empty() -> None:
    assert answer_of("ConfirmSignUp", 200, b"") == {}


class Wire:
    """A server that keeps what it was sent."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.answer = web.json_response({"AuthenticationResult": {"IdToken": "i", "AccessToken": "a"}})

    async def handle(self, request: web.Request) -> web.Response:
        self.requests.append((await request.text(), {name.lower(): value for name, value in request.headers.items()}))
        return self.answer


@pytest.fixture
async def wire() -> AsyncIterator[tuple[Wire, Cognito]]:
    found = Wire()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", found.handle)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    async with aiohttp.ClientSession() as session:
        pool = UserPool("us-east-1_pool", "client", "us-east-1", f"http://{host}:{port}")
        yield found, Cognito(session, StaticCredentials(Key("AKID", "secret")), pool)
    await runner.cleanup()


async def test_operations_of_the_client_are_unsigned_and_admin_ones_are_signed(wire: tuple[Wire, Cognito]) -> None:
    server, cognito = wire
    assert await cognito.refresh("r") == ports.Tokens("i", "a", None)
    server.answer = web.json_response({"UserMFASettingList": ["SOFTWARE_TOKEN_MFA"]})
    assert await cognito.has_totp("user")
    (refreshed, unsigned), (_, signed) = server.requests
    assert '"REFRESH_TOKEN":"r"' in refreshed
    assert unsigned["x-amz-target"] == "AWSCognitoIdentityProviderService.InitiateAuth"
    assert "authorization" not in unsigned
    assert "/us-east-1/cognito-idp/aws4_request" in signed["authorization"]


async def test_a_challenge_that_we_do_not_ask_for_is_an_outage(wire: tuple[Wire, Cognito]) -> None:
    server, cognito = wire
    server.answer = web.json_response({"ChallengeName": "SMS_MFA", "Session": "s"})
    with pytest.raises(IdentityUnavailable):
        await cognito.sign_in("ada@example.com", "correct horse 1")


def test_a_pool_knows_its_places() -> None:
    pool = UserPool("eu-west-1_abc", "client", "eu-west-1")
    assert pool.url == "https://cognito-idp.eu-west-1.amazonaws.com/"
    assert pool.issuer == "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc"
    assert pool.jwks_url == f"{pool.issuer}/.well-known/jwks.json"
    local = UserPool("us-east-1_abc", "client", "us-east-1", "http://127.0.0.1:4566")
    assert local.jwks_url == "http://127.0.0.1:4566/us-east-1_abc/.well-known/jwks.json"
    assert local.issuer == "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_abc"


def test_no_token_shows_in_a_log() -> None:
    assert "secret" not in repr(ports.Tokens("secret", "secret", "secret"))
    assert "secret" not in repr(ports.Challenge("totp", "secret"))
