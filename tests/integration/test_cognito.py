"""Cognito as MiniStack has it, made from template.yaml: our calls, its tokens, and a sign-in through the whole app."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from _pytest.mark import ParameterSet

from local.mailbox import mails
from local.ministack import MiniStack
from local.paths import MINISTACK, TEMPLATE
from local.people import ensure_pool, ensure_user
from local.template_values import read_yaml
from multiconnection.errors import IdentityUnavailable
from multiconnection.identity.cognito import Cognito, JwksUrl, UserPool
from multiconnection.identity.id_tokens import IdTokens
from multiconnection.identity.models import TokenRefused
from tests.support.aws_http import aws_http
from tests.support.identity_contract import CONTRACT, NEXT_PASSWORD, PASSWORD, Pool, WallClock
from tests.support.people_world import PeopleWorld

CREDENTIALS = ("test", "test")
NOWHERE = "http://127.0.0.1:1"
# MiniStack looks at no session of a challenge. Nothing rests on it: what browsers carry is sealed, and used once.
LAX = {"an_invented_session_is_over", "a_session_is_used_once", "a_session_is_that_of_one_person"}
LAX |= {"a_session_is_of_one_kind"}


class CheckingMiniStack(MiniStack):
    """With the checks of codes and access tokens that it leaves out otherwise."""

    def _environment(self) -> dict[str, str]:
        return super()._environment() | {"AUTH": "true", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


@dataclass(frozen=True)
class Running:
    pool: UserPool
    client: Any

    @property
    def endpoint_url(self) -> str:
        assert self.pool.endpoint_url
        return self.pool.endpoint_url


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    state = tmp_path_factory.mktemp("ministack")
    with CheckingMiniStack(MINISTACK, state, services=("cognito-idp", "ses")) as ministack:
        client = boto3.client(
            "cognito-idp",
            region_name=ministack.region,
            endpoint_url=ministack.endpoint_url,
            aws_access_key_id=CREDENTIALS[0],
            aws_secret_access_key=CREDENTIALS[1],
        )
        resources = read_yaml(Path(TEMPLATE))["Resources"]
        declared = [resources[name]["Properties"] for name in ("UserPool", "UserPoolClient")]
        pool_id, client_id = ensure_pool(client, "people", declared[0], declared[1])
        assert ensure_pool(client, "people", declared[0], declared[1]) == (pool_id, client_id)
        yield Running(UserPool(pool_id, client_id, ministack.region, ministack.endpoint_url), client)


def cognito(running: Running) -> Cognito:
    return Cognito(aws_http(running.endpoint_url), running.pool)


def verifier(running: Running, audience: str = "") -> IdTokens:
    pool, aws = running.pool, aws_http(running.endpoint_url)
    return IdTokens(JwksUrl(aws, pool.jwks_url).fetch, pool.issuer, audience or pool.client_id, WallClock())


def case_of(case: Callable[[Pool], Awaitable[None]]) -> ParameterSet:
    lax = pytest.mark.xfail(reason="MiniStack does not check sessions", strict=True)
    return pytest.param(case, id=case.__name__, marks=[lax] if case.__name__ in LAX else [])


@pytest.mark.parametrize("case", [case_of(case) for case in CONTRACT])
async def test_cognito_keeps_the_contract(case: Callable[[Pool], Awaitable[None]], running: Running) -> None:
    async def invite(email: str, password: str) -> None:
        created = running.client.admin_create_user(
            UserPoolId=running.pool.pool_id,
            Username=email,
            TemporaryPassword=password,
            MessageAction="SUPPRESS",
            UserAttributes=[{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}],
        )
        user = created["User"]["Username"]
        running.client.admin_add_user_to_group(UserPoolId=running.pool.pool_id, Username=user, GroupName="admin")

    await case(Pool(cognito(running), verifier(running), WallClock(), invite))


async def test_a_token_of_the_pool_for_another_client_is_refused(running: Running) -> None:
    ensure_user(running.client, running.pool.pool_id, "aud@example.com", PASSWORD)
    tokens = await cognito(running).sign_in("aud@example.com", PASSWORD)
    assert not hasattr(tokens, "kind")
    with pytest.raises(TokenRefused):
        await verifier(running, "another-client").verify(tokens.id_token)


def test_who_knows_the_clients_id_alone_gets_nothing(running: Running) -> None:
    ensure_user(running.client, running.pool.pool_id, "open@example.com", PASSWORD)
    client = {"ClientId": running.pool.client_id}
    person = {"USERNAME": "open@example.com", "PASSWORD": PASSWORD}
    with pytest.raises(running.client.exceptions.NotAuthorizedException):
        running.client.initiate_auth(**client, AuthFlow="USER_PASSWORD_AUTH", AuthParameters=person)
    with pytest.raises(running.client.exceptions.NotAuthorizedException):
        running.client.sign_up(**client, Username="new@example.com", Password=PASSWORD)
    with pytest.raises(running.client.exceptions.NotAuthorizedException):
        running.client.forgot_password(**client, Username="open@example.com")


def test_a_client_of_an_earlier_template_is_replaced(running: Running) -> None:
    pool: dict[str, Any] = {}
    open_client = {"GenerateSecret": False}
    pool_id, before = ensure_pool(running.client, "earlier", pool, open_client)
    assert ensure_pool(running.client, "earlier", pool, open_client) == (pool_id, before)
    again, after = ensure_pool(running.client, "earlier", pool, {"GenerateSecret": True})
    assert again == pool_id
    clients = running.client.list_user_pool_clients(UserPoolId=pool_id, MaxResults=60)["UserPoolClients"]
    assert [each["ClientId"] for each in clients] == [after] != [before]


async def test_a_pool_that_cannot_be_reached_is_unavailable() -> None:
    nowhere = UserPool("us-east-1_x", "client", "us-east-1", NOWHERE)
    with pytest.raises(IdentityUnavailable):
        await Cognito(aws_http(NOWHERE), nowhere).forgot("ada@example.com")
    with pytest.raises(IdentityUnavailable):
        await JwksUrl(aws_http(NOWHERE), nowhere.jwks_url).fetch()


def test_demo_people_can_be_ensured_again_and_again(running: Running) -> None:
    pool_id = running.pool.pool_id
    ids = {ensure_user(running.client, pool_id, "demo@example.com", PASSWORD, admin=True) for _ in range(2)}
    assert len(ids) == 1
    groups = running.client.admin_list_groups_for_user(UserPoolId=pool_id, Username="demo@example.com")["Groups"]
    assert [group["GroupName"] for group in groups] == ["admin"]


async def test_the_codes_of_the_mails_lead_through_the_whole_app(running: Running) -> None:
    world = PeopleWorld(provider=cognito(running), id_tokens=verifier(running), clock=WallClock())
    email = "walk@example.com"
    async with world.browser() as browser:
        signing_up = {"email": email, "password": PASSWORD, "name": "Walker"}
        assert (await browser.post("/api/auth/sign-up", signing_up)).status_code == 202
        confirming = {"email": email, "password": PASSWORD}
        assert (await browser.post("/api/auth/confirm", confirming | {"code": "000000"})).status_code == 400
        confirming["code"] = code_mailed(running, email)
        assert (await browser.post("/api/auth/confirm", confirming)).status_code == 200
        signed_in = await browser.post("/api/auth/sign-in", {"email": email, "password": PASSWORD})
        assert signed_in.json()["user"]["name"] == "Walker"
        assert (await browser.get("/api/auth/session")).json()["user"]["totp_enabled"] is False
        changing = {"current": PASSWORD, "new": NEXT_PASSWORD}
        assert (await browser.post("/api/auth/change-password", changing)).status_code == 204
        assert (await browser.post("/api/auth/forgot", {"email": email})).status_code == 202
        reset = {"email": email, "code": code_mailed(running, email), "password": PASSWORD}
        assert (await browser.post("/api/auth/reset", reset)).status_code == 200
        assert (await browser.get("/api/auth/session")).status_code == 401
        assert (await browser.post("/api/auth/sign-in", {"email": email, "password": PASSWORD})).status_code == 200
        named = await browser.request("PATCH", "/api/account", {"name": "Runner"})
        assert named.json()["name"] == "Runner"
        assert (await browser.post("/api/auth/sign-out-everywhere", {})).status_code == 204
        assert (await browser.get("/api/auth/session")).status_code == 401
    assert (await world.account_of(email)).credits_in == world.test_credit_nano


def code_mailed(running: Running, email: str) -> str:
    """The newest code in the local mailbox."""
    return next(mail.code for mail in mails(running.endpoint_url) if mail.to == email and mail.code)
