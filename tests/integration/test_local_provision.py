"""Everything that template.yaml declares, on a real MiniStack; people and workflows are still there after a restart."""

import base64
import hmac
import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from local.aws import client
from local.demo_people import ADMIN_EMAIL, DEMO_EMAIL, DemoPeople, ensure_demo_people
from local.environment import LOCAL_PARAMETERS, declared_environment
from local.invocations import Handler, invocations
from local.mailbox import mails
from local.ministack import MiniStack
from local.notices import ensure_sender
from local.paths import MINISTACK, TEMPLATE
from local.processes import HOST
from local.provision import provision
from local.template import load
from multiconnection.config import Settings

DECLARED = load(TEMPLATE)
PATIENCE_S = 30.0
ARN = "arn:aws:{}:us-east-1:000000000000:{}"


class Local:
    """A MiniStack with everything on it, whose state machines call `handlers`."""

    def __init__(self, state: Path) -> None:
        self.aws = MiniStack(MINISTACK, state, checks=True)
        self.handlers: dict[str, Handler] = {"RechargeFunction": lambda event: {**event, "status": "cancelled"}}

    def provision(self, workers_url: str) -> dict[str, str]:
        return provision(DECLARED, self.aws.endpoint_url, workers_url, LOCAL_PARAMETERS)

    def client(self, service: str) -> Any:
        return client(service, self.aws.endpoint_url)


def listening() -> socket.socket:
    return socket.create_server((HOST, 0))


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("provision")


@pytest.fixture(scope="module")
def local(state: Path) -> Iterator[Local]:
    found = Local(state)
    with found.aws:
        yield found


@pytest.fixture(scope="module")
def workers_url(local: Local) -> Iterator[str]:
    with invocations(local.handlers, listening()) as url:
        yield url


@pytest.fixture(scope="module")
def names(local: Local, workers_url: str) -> dict[str, str]:
    return local.provision(workers_url)


def sign_in(local: Local, names: dict[str, str], email: str, password: str) -> dict[str, Any]:
    proof = hmac.digest(secret(local, names).encode(), f"{email}{names['UserPoolClient']}".encode(), "sha256")
    answer: dict[str, Any] = local.client("cognito-idp").initiate_auth(
        ClientId=names["UserPoolClient"],
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": email, "PASSWORD": password, "SECRET_HASH": base64.b64encode(proof).decode()},
    )
    return answer


def secret(local: Local, names: dict[str, str]) -> str:
    """Of the pool's client."""
    client_id, pool_id = names["UserPoolClient"], names["UserPool"]
    found = local.client("cognito-idp").describe_user_pool_client(UserPoolId=pool_id, ClientId=client_id)
    return str(found["UserPoolClient"]["ClientSecret"])


def ended(local: Local, arn: str) -> dict[str, Any]:
    """The execution, once it is not running any more."""
    states, deadline = local.client("stepfunctions"), time.monotonic() + PATIENCE_S
    while True:
        found: dict[str, Any] = states.describe_execution(executionArn=arn)
        if found["status"] != "RUNNING":
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def test_every_name_in_the_functions_environment_is_known(names: dict[str, str]) -> None:
    settings = Settings.of(declared_environment(DECLARED, names, LOCAL_PARAMETERS) | {"AWS_REGION": "us-east-1"})
    assert settings.user_pool_id == names["UserPool"]
    assert settings.recharge_state_machine_arn == ARN.format("states", "stateMachine:multiconnection-Recharge")
    assert settings.admin_topic_arn == ARN.format("sns", "multiconnection-Admin")
    assert (settings.admin_email, settings.notice_sender) == (ADMIN_EMAIL, LOCAL_PARAMETERS["NoticeSender"])


def test_creating_again_changes_nothing(local: Local, names: dict[str, str], workers_url: str) -> None:
    assert local.provision(workers_url) == names


def test_browsers_may_put_what_a_presigned_url_allows(local: Local, names: dict[str, str]) -> None:
    url = local.client("s3").generate_presigned_url("put_object", {"Bucket": names["PayloadBucket"], "Key": "a"})
    headers = {"origin": "http://127.0.0.1:8000", "access-control-request-method": "PUT"}
    allowed = httpx.options(url, headers=headers, trust_env=False)
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, "*")


def test_the_demo_people_sign_in_with_their_passwords_and_no_other(local: Local, names: dict[str, str]) -> None:
    people = demo_people(local, names)
    for person in (people.user, people.admin):
        assert sign_in(local, names, person.email, person.password)["AuthenticationResult"]["IdToken"]
        with pytest.raises(ClientError, match="NotAuthorized"):
            sign_in(local, names, person.email, f"{person.password}x")
    again = ensure_demo_people(local.client("cognito-idp"), names["UserPool"], remembered(people))
    assert again == people
    groups = {
        email: local.client("cognito-idp").admin_list_groups_for_user(UserPoolId=names["UserPool"], Username=email)
        for email in (DEMO_EMAIL, ADMIN_EMAIL)
    }
    assert [[group["GroupName"] for group in found["Groups"]] for found in groups.values()] == [[], ["admin"]]


def demo_people(local: Local, names: dict[str, str]) -> DemoPeople:
    return ensure_demo_people(local.client("cognito-idp"), names["UserPool"], {})


def remembered(people: DemoPeople) -> dict[str, Any]:
    """As run.json has it."""
    return {"demo_user": {"password": people.user.password}, "demo_admin": {"password": people.admin.password}}


def test_mails_from_the_notices_address_are_in_the_mailbox(local: Local) -> None:
    ses, sender = local.client("sesv2"), LOCAL_PARAMETERS["NoticeSender"]
    for _ in range(2):
        ensure_sender(ses, sender)
    content = {"Simple": {"Subject": {"Data": "hello"}, "Body": {"Text": {"Data": "your code 123456"}}}}
    ses.send_email(FromEmailAddress=sender, Destination={"ToAddresses": ["ada@example.com"]}, Content=content)
    [mail] = mails(local.aws.endpoint_url)
    assert (mail.to, mail.subject, mail.code) == ("ada@example.com", "hello", "123456")
    assert mail.at.startswith("20")


def test_a_workflow_calls_the_functions_of_our_process(local: Local, names: dict[str, str]) -> None:
    arn = start(local, names, "first")
    found = ended(local, arn)
    assert (found["status"], json.loads(found["output"])["order_id"]) == ("SUCCEEDED", "first")


def start(local: Local, names: dict[str, str], order_id: str) -> str:
    started = local.client("stepfunctions").start_execution(
        stateMachineArn=names["RechargeStateMachine"], name=order_id, input=json.dumps({"order_id": order_id})
    )
    return str(started["executionArn"])


def test_a_step_that_raises_is_repeated(
    local: Local, names: dict[str, str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    steps: list[str] = []
    monkeypatch.setitem(local.handlers, "RechargeFunction", failing_once(steps))
    found = ended(local, start(local, names, "repeated"))
    assert (found["status"], steps) == ("SUCCEEDED", ["review", "review", "notify"])
    assert "the step fails" in capfd.readouterr().err


def failing_once(steps: list[str]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def handler(event: dict[str, Any]) -> dict[str, Any]:
        steps.append(event["step"])
        if len(steps) == 1:
            raise RuntimeError("the step fails")
        return {**event, "status": "cancelled"}

    return handler


def test_all_of_it_survives_a_restart_and_calls_the_new_address(tmp_path: Path) -> None:
    first = Local(tmp_path)
    with first.aws:
        names = first.provision("http://127.0.0.1:9")
        people = demo_people(first, names)
        refresh = sign_in(first, names, people.user.email, people.user.password)["AuthenticationResult"]["RefreshToken"]
    second = Local(tmp_path)
    with second.aws, invocations(second.handlers, listening()) as url:
        again = second.provision(url)
        assert {name: again[name] for name in again if "Queue" not in name} == {
            name: names[name] for name in names if "Queue" not in name
        }
        kept = ensure_demo_people(second.client("cognito-idp"), again["UserPool"], remembered(people))
        assert kept == people
        renewed = second.client("cognito-idp").get_tokens_from_refresh_token(
            ClientId=again["UserPoolClient"], ClientSecret=secret(second, again), RefreshToken=refresh
        )
        assert renewed["AuthenticationResult"]["IdToken"]
        assert ended(second, start(second, again, "after"))["status"] == "SUCCEEDED"
