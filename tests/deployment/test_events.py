"""events/: one for each path, schedule and queue of the template, each answered by its function's real handler."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from local.demo_upstream.testing import demo_upstream
from local.environment import function_environment
from local.seed import catalog_file
from local.template import load
from local.template_values import read_yaml
from multiconnection.catalog.store import CatalogTable
from multiconnection.ledger.dynamo import DynamoStore, LedgerTables
from multiconnection.money import NANO_PER_USD
from tests.support.handler_process import HandlerProcess
from tools.memory_dynamo.driver import MemoryDynamo
from tools.memory_dynamo.server import dynamo_server, table_keys
from tools.sam_local import seed_examples
from tools.sample_events import (
    ACCOUNT,
    EXAMPLE_ROW,
    EXAMPLES,
    QUEUED_HOLD,
    QUEUED_ROW,
    proxy_event,
    sample_events,
)

ROOT = Path(__file__).parents[2]
EVENTS = ROOT / "events"
TEMPLATE = load(ROOT / "template.yaml")
DOCUMENT = read_yaml(ROOT / "template.yaml")
NAMES = {logical_id: f"local-{logical_id}" for logical_id in DOCUMENT["Resources"]}
# The one method that each path serves; /v1/{proxy+} serves none.
SERVED = {
    "/v1/chat/completions": "POST",
    "/v1/completions": "POST",
    "/v1/audio/speech": "POST",
    "/v1/audio/transcriptions": "POST",
    "/v1/audio/translations": "POST",
    "/v1/images/generations": "POST",
    "/v1/images/edits": "POST",
    "/v1/embeddings": "POST",
    "/v1/moderations": "POST",
    "/v1/uploads": "POST",
    "/v1/models": "GET",
    "/v1/models/{model+}": "GET",
    "/api/models": "GET",
    "/v1/usage/{request_id}": "GET",
    "/v1/balance": "GET",
    "/": "GET",
    "/{page+}": "GET",
    "/api/site": "GET",
    "/api/usage.csv": "GET",
}
JSON = "application/json"
# The kind of answer to each event that leaves a usage row.
PAID = {
    "chat-chat": JSON,
    "chat-completions": JSON,
    "audio-speech": "audio/mpeg",
    "audio-transcriptions": JSON,
    "audio-translations": JSON,
    "images-generations": JSON,
    "images-edits": JSON,
    "embeddings-embeddings": JSON,
    "embeddings-moderations": JSON,
}
FREE = {"embeddings-moderations"}
# In the order of an order's life; nobody has decided about the example.
STEPS = ("look", "review", "expire", "credit", "notify")
WORKERS = ("sweeper-every-minute", "fallback-fallback-queue", "recharge-look", "reconciler-daily")
INVOCATIONS = 100
# Not what `make sam-local` writes.
FILES = sorted(file for file in EVENTS.glob("*.json") if file.name != "env.json")
REQUESTS = {file.stem: event for file in FILES if "httpMethod" in (event := json.loads(file.read_text()))}
# A file has the method that its path serves; the events of the other methods are made here.
METHODS = {
    name: [route.method for route in TEMPLATE.routes() if route.path == event["resource"]]
    for name, event in REQUESTS.items()
}


class Functions:
    """The deployed functions, each started at its first event, on one in-memory database and the demo upstream."""

    def __init__(self, environment: dict[str, str], stack: ExitStack) -> None:
        self._environment = environment
        self._stack = stack
        self._running: dict[str, HandlerProcess] = {}

    def invoke(self, event_name: str) -> Any:
        """Send a file of events/ to its function."""
        return self.send(event_name, json.loads((EVENTS / f"{event_name}.json").read_text()))

    def pid(self, name: str) -> int:
        return self._running[name].pid

    def send(self, event_name: str, event: Any) -> Any:
        name = function_of(event_name)
        if name not in self._running:
            folder = TEMPLATE.functions()[name].code_uri.replace("/", ".")
            self._running[name] = HandlerProcess(f"{folder}.app", self._environment)
            self._stack.callback(self._running[name].stop)
        return self._running[name].invoke(event)


def function_of(event_name: str) -> str:
    """`models-list-get` is an event of ModelsFunction."""
    [found] = [
        name for name in TEMPLATE.functions() if event_name.startswith(f"{name.removesuffix('Function').lower()}-")
    ]
    return found


@pytest.fixture(scope="module")
def dynamo() -> MemoryDynamo:
    return MemoryDynamo({NAMES[spec.logical_id]: table_keys(spec) for spec in TEMPLATE.tables()})


@pytest.fixture(scope="module")
def functions(dynamo: MemoryDynamo) -> Iterator[Functions]:
    asyncio.run(seed_examples(dynamo, NAMES))
    asyncio.run(CatalogTable(dynamo, NAMES["CatalogTable"]).publish(catalog_file()))
    with ExitStack() as stack:
        environment = function_environment(TEMPLATE, NAMES, stack.enter_context(dynamo_server(dynamo)))
        yield Functions({**environment, "DEMO_BASE_URL": stack.enter_context(demo_upstream())}, stack)


def store_on(dynamo: MemoryDynamo) -> DynamoStore:
    return DynamoStore(dynamo, LedgerTables(NAMES["BalancesTable"], NAMES["UsageTable"], NAMES["CreditsTable"]))


def expected_status(path: str, method: str) -> int:
    if method == "OPTIONS":
        return 204
    if path not in SERVED:
        return 404
    if path == "/api/usage.csv" and method in ("GET", "HEAD"):
        return 401  # no session
    return 200 if SERVED[path] == ("GET" if method == "HEAD" else method) else 405


def test_the_folder_holds_what_the_template_asks_for() -> None:
    found = {file.name: json.loads(file.read_text()) for file in FILES}
    assert found == sample_events(DOCUMENT), "run `python -m tools.sample_events`"


def test_every_path_has_one_event_of_its_function() -> None:
    found = [(event["resource"], function_of(name)) for name, event in REQUESTS.items()]
    assert sorted(found) == sorted({(route.path, route.function) for route in TEMPLATE.routes()})


def test_every_function_schedule_and_queue_has_an_event() -> None:
    assert {function_of(file.stem) for file in FILES} == TEMPLATE.functions().keys()
    others = sorted(function_of(file.stem) for file in FILES if file.stem not in REQUESTS)
    wanted = [name for name, spec in TEMPLATE.functions().items() for _ in (*spec.schedules, *spec.queues)]
    assert others == sorted([*wanted, *["RechargeFunction"] * len(STEPS)])


@pytest.mark.parametrize(
    ("name", "method"),
    [pytest.param(name, method, id=f"{name} {method}") for name in REQUESTS for method in METHODS[name]],
)
def test_a_request_is_answered(functions: Functions, name: str, method: str) -> None:
    event, path = REQUESTS[name], REQUESTS[name]["resource"]
    if method != event["httpMethod"]:
        event = proxy_event(path, method, EXAMPLES[path])
    answer = functions.send(name, event)
    assert answer["statusCode"] == expected_status(path, method), answer["body"]
    assert answer["headers"]["x-request-id"].startswith("req_")
    if method == "HEAD":
        assert answer["body"] == ""
    elif answer["statusCode"] >= 400:
        assert set(json.loads(answer["body"])["error"]) >= {"message", "type", "param", "code"}


@pytest.mark.parametrize(("name", "media_type"), PAID.items())
def test_a_call_is_charged_to_the_account_of_the_key(
    functions: Functions, dynamo: MemoryDynamo, name: str, media_type: str
) -> None:
    answer = functions.invoke(f"{name}-post")
    assert (answer["headers"]["content-type"], len(answer["body"]) > 100) == (media_type, True)
    row_id = answer["headers"]["x-request-id"].removeprefix("req_")
    [row] = [row for row in dynamo.items(NAMES["UsageTable"]) if row["request_id"]["S"] == row_id]
    assert (row["account_id"]["S"], row["ended"]["S"]) == (ACCOUNT, "complete")
    assert (int(row["cost"]["N"]) > 0) is (name not in FREE)


def test_the_usage_row_of_the_event_is_the_one_that_is_shown(functions: Functions) -> None:
    answer = functions.invoke("account-usage-get")
    assert EXAMPLE_ROW.hold_id in answer["body"]


def test_the_sweep_finds_nothing_left_behind(functions: Functions) -> None:
    report = functions.invoke("sweeper-every-minute")
    assert (report["ended"], report["failed"], report["complete"]) == (0, 0, True)


async def test_a_queued_decision_is_charged_once_however_often_it_comes(
    functions: Functions, dynamo: MemoryDynamo
) -> None:
    store = store_on(dynamo)
    before = await store.account(ACCOUNT)
    for _ in range(2):
        assert functions.invoke("fallback-fallback-queue") == {"batchItemFailures": []}
    after = await store.account(ACCOUNT)
    assert before is not None
    assert after is not None
    assert QUEUED_HOLD.hold_id in before.holds
    assert QUEUED_HOLD.hold_id not in after.holds
    assert after.charged - before.charged == QUEUED_ROW.cost
    assert await store.usage_row(ACCOUNT, QUEUED_ROW.hold_id) == QUEUED_ROW


def test_a_message_that_cannot_be_read_comes_again_alone(functions: Functions) -> None:
    [good] = json.loads((EVENTS / "fallback-fallback-queue.json").read_text())["Records"]
    bad = {**good, "messageId": "bad", "body": "{}"}
    for records in ([good, bad], [bad]):
        answer = functions.send("fallback-fallback-queue", {"Records": records})
        assert answer == {"batchItemFailures": [{"itemIdentifier": "bad"}]}


@pytest.mark.parametrize("event", WORKERS)
def test_a_worker_keeps_what_it_has_built(functions: Functions, event: str) -> None:
    functions.invoke(event)
    process = psutil.Process(functions.pid(function_of(event)))

    def growth(invocations: int) -> int:
        """Bytes of resident memory."""
        before = process.memory_info().rss
        for _ in range(invocations):
            functions.invoke(event)
        return process.memory_info().rss - before

    growth(20)
    assert growth(INVOCATIONS) < 20_000_000, "clients that are built anew leave a megabyte each time"


def test_a_daily_sweep_reads_all_accounts(functions: Functions) -> None:
    report = functions.invoke("sweeper-daily-net")
    assert (report["failed"], report["complete"]) == (0, True)


def test_each_step_of_the_recharge_workflow_returns_the_state_of_its_order(functions: Functions) -> None:
    statuses = {step: functions.invoke(f"recharge-{step}")["status"] for step in STEPS}
    assert statuses == {"look": "submitted", "review": "in_review", "expire": "in_review"} | dict.fromkeys(
        ("credit", "notify"), "in_review"
    )


def test_the_ledger_has_no_drift(functions: Functions) -> None:
    found = functions.invoke("reconciler-daily")
    assert (found["accounts"], found["drift"]) == (1, 0)
    assert found["credits_in"] == NANO_PER_USD
