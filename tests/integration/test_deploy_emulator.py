"""The committed template, built and deployed with SAM onto a local AWS, called through its API Gateway."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.demo_people import DemoPeople, Person
from local.environment import REGION, aws_environment, child_environment
from local.mailbox import mails
from local.seed import DEMO_CREDIT_NANO
from local.template import METHODS, load
from local.template_values import read_yaml
from multiconnection.bootstrap.workers import Workers, build_workers
from multiconnection.config import Settings
from multiconnection.ledger.dynamo import encode
from multiconnection.ledger.models import UsageRow
from tools.emulator.deployment import STACK, Deployment, build, deploy, emulated_aws
from tools.emulator.run import demo_people, seed
from tools.sample_events import QUEUED_HOLD, QUEUED_ROW

ROOT = Path(__file__).parents[2]
TEMPLATE = load(ROOT / "template.yaml")
RESOURCES: dict[str, Any] = {
    name: resource
    for file in ("template.yaml", "observability.yaml")
    for name, resource in read_yaml(ROOT / file)["Resources"].items()
}
# SAM gives each version of a layer a name of its own.
LAYERS = {"DependenciesLayer", "MultiConnectionLayer"}
MODEL = "deepseek-v4-flash"
DELIVERY_S = 60
BUFFERED = {
    "/v1/models": "list",
    f"/v1/models/{MODEL}": "model",
    "/api/models": "list",
    "/v1/balance": "balance",
}


@dataclass(frozen=True, slots=True)
class Stack:
    """The deployment, workers on its tables, and a client with a key that they created."""

    deployment: Deployment
    workers: Workers
    client: httpx.Client
    people: DemoPeople

    def invoke(self, function: str, event: object) -> Any:
        """Raises AssertionError with the function's own error."""
        client = self.deployment.client("lambda")
        answer = client.invoke(FunctionName=self.deployment.resources[function], Payload=json.dumps(event))
        payload = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, payload
        return payload


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("deploy")
    build(folder / "build", os.environ)
    with emulated_aws(folder / "state") as aws, pytest.MonkeyPatch.context() as patch:
        deployment = deploy(aws, folder / "build")
        for name, value in deployment.environment.items():
            patch.setenv(name, value)
        workers = build_workers(Settings.from_environment())
        people = demo_people(deployment)
        api_key = asyncio.run(seed(workers, people.account_id))
        headers = {"authorization": f"Bearer {api_key}"}
        with httpx.Client(base_url=deployment.stage_url, headers=headers, timeout=60, trust_env=False) as client:
            yield Stack(deployment, workers, client, people)


def error_of(answer: httpx.Response) -> dict[str, Any]:
    """The error of a response, checked for our shape and for the headers that every response has."""
    assert answer.headers["x-request-id"].startswith("req_")
    assert answer.headers["access-control-allow-origin"] == "*"
    error: dict[str, Any] = answer.json()["error"]
    assert {"message", "type", "param", "code"} <= error.keys()
    return error


@pytest.mark.parametrize("path", BUFFERED)
def test_a_buffered_route_answers(stack: Stack, path: str) -> None:
    answer = stack.client.get(path)
    assert (answer.status_code, answer.json()["object"]) == (200, BUFFERED[path])
    assert answer.headers["x-request-id"].startswith("req_")


def test_the_key_sees_models_and_its_balance(stack: Stack) -> None:
    assert MODEL in {model["id"] for model in stack.client.get("/v1/models").json()["data"]}
    assert Decimal(stack.client.get("/v1/balance").json()["available"]) > 99


def test_without_a_key_only_the_price_list_is_public(stack: Stack) -> None:
    url = stack.deployment.stage_url
    assert httpx.get(f"{url}/api/models", timeout=60, trust_env=False).status_code == 200
    refused = httpx.get(f"{url}/v1/models", timeout=60, trust_env=False)
    assert (refused.status_code, error_of(refused)["code"]) == (401, "api_key_required")


@pytest.mark.parametrize("path", ["/v1/no-such-endpoint", "/v1/chat", "/v1/usage"])
def test_an_unknown_url_is_refused_in_our_shape(stack: Stack, path: str) -> None:
    answer = stack.client.post(path, json={})
    assert (answer.status_code, error_of(answer)["code"]) == (404, "unknown_url")


@pytest.mark.parametrize("path", [*BUFFERED, "/v1/usage/req_000000000000"])
@pytest.mark.parametrize("method", METHODS[1:])
def test_every_other_method_reaches_the_app(stack: Stack, path: str, method: str) -> None:
    answer = stack.client.request(method, path)
    if method == "OPTIONS":
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, "*")
    elif method == "HEAD":
        assert (answer.status_code, answer.content) == (stack.client.get(path).status_code, b"")
    else:
        assert (answer.status_code, error_of(answer)["code"]) == (405, "method_not_allowed")


async def undecided(stack: Stack, hold_id: str) -> UsageRow:
    """The decision of a call whose money is held and whose usage row is not written."""
    hold = replace(QUEUED_HOLD, account_id=stack.people.account_id, hold_id=hold_id)
    reserved = await stack.workers.ledger.reserve(hold, key_epoch=0, in_flight_max=10)
    return replace(QUEUED_ROW, account_id=stack.people.account_id, hold_id=hold_id, birth=reserved.hold.birth)


async def test_a_decision_sent_to_the_queue_is_charged_and_shown(stack: Stack) -> None:
    row = await undecided(stack, "1xV7cOqueued")
    queue_url = stack.deployment.outputs["FallbackQueueUrl"]
    stack.deployment.client("sqs").send_message(QueueUrl=queue_url, MessageBody=encode(row))
    deadline = time.monotonic() + DELIVERY_S
    # The route itself waits a moment for the row of a call that still has its hold.
    while (answer := stack.client.get(f"/v1/usage/req_{row.hold_id}")).status_code == 404:
        assert time.monotonic() < deadline, "the queue's message did not reach the sweeper"
    assert (answer.status_code, answer.json()["request_id"]) == (200, f"req_{row.hold_id}")
    assert answer.json()["cost"] == "0.000034520"


async def test_the_sweeper_takes_a_batch_of_the_queue(stack: Stack) -> None:
    row = await undecided(stack, "1xV7cOdirect")
    event = json.loads((ROOT / "events" / "fallback-fallback-queue.json").read_text())
    event["Records"][0]["body"] = encode(row)
    unreadable = {**event["Records"][0], "messageId": "unreadable", "body": "{}"}
    answer = stack.invoke("FallbackFunction", {"Records": [*event["Records"], unreadable]})
    assert answer == {"batchItemFailures": [{"itemIdentifier": "unreadable"}]}
    assert stack.client.get(f"/v1/usage/req_{row.hold_id}").status_code == 200


def test_schedules_send_the_workers_what_the_events_say(stack: Stack) -> None:
    events = stack.deployment.client("events")
    for rule, function, file in (
        ("SweeperFunctionEveryMinute", "SweeperFunction", "sweeper-every-minute.json"),
        ("SweeperFunctionDailyNet", "SweeperFunction", "sweeper-daily-net.json"),
        ("ReconcilerFunctionDaily", "ReconcilerFunction", "reconciler-daily.json"),
    ):
        name = stack.deployment.resources[rule]
        assert events.describe_rule(Name=name)["State"] == "ENABLED"
        [target] = events.list_targets_by_rule(Rule=name)["Targets"]
        assert target["Arn"].endswith(f":{stack.deployment.resources[function]}")
        assert json.loads(target["Input"]) == json.loads((ROOT / "events" / file).read_text())


def test_the_sweeper_runs_on_its_schedules_payload(stack: Stack) -> None:
    report = stack.invoke("SweeperFunction", json.loads((ROOT / "events" / "sweeper-every-minute.json").read_text()))
    assert (report["ended"], report["failed"], report["complete"]) == (0, 0, True)


def test_the_reconciler_finds_no_drift(stack: Stack) -> None:
    found = stack.invoke("ReconcilerFunction", json.loads((ROOT / "events" / "reconciler-daily.json").read_text()))
    assert (found["accounts"], found["drift"], found["credits_in"]) == (1, 0, DEMO_CREDIT_NANO)


def test_a_worker_that_fails_says_so(stack: Stack) -> None:
    with pytest.raises(AssertionError, match="nap"):
        stack.invoke("RechargeFunction", {"step": "nap", "order_id": "ord_1"})


def test_the_tables_are_those_of_the_template(stack: Stack) -> None:
    dynamodb = stack.deployment.client("dynamodb")
    for spec in TEMPLATE.tables():
        table = dynamodb.describe_table(TableName=stack.deployment.resources[spec.logical_id])["Table"]
        assert table["KeySchema"] == spec.definition["KeySchema"]


def test_the_streaming_function_is_published_behind_its_alias(stack: Stack) -> None:
    name = stack.deployment.resources["ChatFunction"]
    alias = stack.deployment.client("lambda").get_alias(FunctionName=name, Name="live")
    assert alias["FunctionVersion"] == "1"


def test_only_alarms_on_more_than_one_metric_are_left_out(stack: Stack) -> None:
    several = {name for name, one in RESOURCES.items() if "Metrics" in one.get("Properties", {})}
    assert set(stack.deployment.left_out) == several
    conditional = {name for name, one in RESOURCES.items() if "Condition" in one}
    assert RESOURCES.keys() - several - conditional - LAYERS <= stack.deployment.resources.keys()


def test_alarms_and_filters_watch_the_resources_of_the_stack(stack: Stack) -> None:
    resources = stack.deployment.resources
    found = stack.deployment.client("cloudwatch").describe_alarms(AlarmNames=[resources["SweeperSilentAlarm"]])
    [alarm] = found["MetricAlarms"]
    assert alarm["Dimensions"] == [{"Name": "FunctionName", "Value": resources["SweeperFunction"]}]
    assert alarm["AlarmActions"] == [resources["AlarmTopic"]]
    logs = stack.deployment.client("logs")
    filters = logs.describe_metric_filters(logGroupName=resources["CallsLogGroup"])["metricFilters"]
    assert len(filters) == 3
    assert stack.deployment.outputs["DashboardName"] == f"{STACK}-operations-{REGION}"


def test_the_emulator_still_cannot_stream(stack: Stack) -> None:
    """A known difference to AWS; when this fails, the chat route can be tested here too."""
    assert stack.client.post("/v1/chat/completions", json={"model": MODEL, "messages": []}).status_code == 500


def operator(stack: Stack, *arguments: str) -> dict[str, Any]:
    """Output of an operator's command on a deployed stack."""
    command = [sys.executable, "-m", "local", "--stack", STACK, *arguments, "--json"]
    env = child_environment(aws_environment(stack.deployment.endpoint_url))
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_operators_commands_make_an_account_whose_key_works(stack: Stack) -> None:
    assert operator(stack, "models", "publish") == {"changed": 0}
    account = operator(stack, "account", "create", "First", "--id", "first", "--credit", "2.50")
    key = operator(stack, "key", "create", "first key", "--account", "first")
    url = f"{stack.deployment.stage_url}/v1/balance"
    answer = httpx.get(url, headers={"authorization": f"Bearer {key['api_key']}"}, timeout=60, trust_env=False)
    assert (answer.status_code, answer.json()["available"]) == (200, account["available"]) == (200, "2.500000000")
    assert operator(stack, "reconcile")["totals"]["drift_nano"] == 0


def test_a_stack_that_is_not_there_is_said(stack: Stack) -> None:
    command = [sys.executable, "-m", "local", "--stack", "nowhere", "account", "list"]
    env = child_environment(aws_environment(stack.deployment.endpoint_url))
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "nowhere" in done.stderr


@dataclass(slots=True)
class Browser:
    """A signed-in user. The emulated gateway reports https although it serves http, so the origin is https too."""

    stack: Stack
    cookies: str = ""

    def get(self, path: str) -> dict[str, Any]:
        return self.request("GET", path)

    def post(self, path: str, **body: str) -> dict[str, Any]:
        return self.request("POST", path, body)

    def request(self, method: str, path: str, body: dict[str, str] | None = None) -> dict[str, Any]:
        url = f"{self.stack.deployment.stage_url}{path}"
        origin = self.stack.deployment.endpoint_url.replace("http:", "https:")
        headers = {"x-mc-csrf": "1", "origin": origin, "cookie": self.cookies}
        answer = httpx.request(method, url, headers=headers, json=body, timeout=60, trust_env=False)
        assert answer.status_code in (200, 201), answer.text
        cookies = answer.headers.get_list("set-cookie")
        self.cookies = "; ".join(cookie.partition(";")[0] for cookie in cookies) or self.cookies
        found: dict[str, Any] = answer.json()
        return found

    def sees(self, path: str, status: str) -> None:
        deadline = time.monotonic() + DELIVERY_S
        while (found := self.get(path))["status"] != status:
            assert time.monotonic() < deadline, found
            time.sleep(0.2)


def signed_in(stack: Stack, person: Person) -> Browser:
    browser = Browser(stack)
    signed_in = browser.post("/api/auth/sign-in", email=person.email, password=person.password)
    assert signed_in["user"]["email"] == person.email
    return browser


def test_the_pages_are_served_with_links_below_the_stage(stack: Stack) -> None:
    page = httpx.get(f"{stack.deployment.stage_url}/", timeout=60, trust_env=False)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    stage = stack.deployment.page_url.rpartition("/")[2]
    assert f'data-base="/{stage}"' in page.text


def test_an_order_runs_through_the_deployed_workflow_and_functions(stack: Stack) -> None:
    user, admin = signed_in(stack, stack.people.user), signed_in(stack, stack.people.admin)
    wanted = {"amount": "100.00", "currency": "USD", "method": "bank_transfer", "client_token": "emulated-order"}
    order = user.post("/api/orders", **wanted)
    path = f"/api/orders/{order['id']}"
    user.sees(path, "in_review")
    before = Decimal(user.get("/api/balance")["available"])
    approval = {"amount": "100.00", "account_id": stack.people.account_id}
    admin.post(f"/api/admin/orders/{order['id']}/approve", **approval)
    user.sees(path, "credited")
    assert Decimal(user.get("/api/balance")["available"]) == before + 100
    machine = stack.deployment.resources["RechargeStateMachine"]
    execution = f"{machine.replace(':stateMachine:', ':execution:')}:{order['id']}"
    states = stack.deployment.client("stepfunctions")
    until_ended(lambda: states.describe_execution(executionArn=execution)["status"])
    [mail] = [mail for mail in mails(stack.deployment.endpoint_url) if order["reference"] in mail.subject]
    assert (mail.to, mail.subject) == (stack.people.user.email, f"Your order {order['reference']}: credited")
    assert operator(stack, "reconcile")["totals"]["drift_nano"] == 0


def until_ended(status: Callable[[], str]) -> None:
    deadline = time.monotonic() + DELIVERY_S
    while status() == "RUNNING":
        assert time.monotonic() < deadline, "the workflow did not end"
        time.sleep(0.2)
    assert status() == "SUCCEEDED"
