"""events/: one for each route, schedule and queue of the template, each answered by its function's real handler."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from local.demo_upstream.testing import demo_upstream
from local.environment import function_environment
from local.sample_events import (
    ACCOUNT,
    EXAMPLE_ROW,
    QUEUED_HOLD,
    QUEUED_ROW,
    SameEachTime,
    example_key,
    sample_events,
)
from local.template import load
from local.template_values import read_yaml
from multiconnection.bootstrap.base import SystemClock
from multiconnection.catalog.store import CatalogTable
from multiconnection.keys.service import KeyService
from multiconnection.keys.store import KeysTable
from multiconnection.ledger.dynamo import DynamoStore, LedgerTables
from multiconnection.ledger.models import AccountLimits, CreditRow
from multiconnection.money import NANO_PER_USD
from tests.support.dynamo_server import dynamo_server, table_keys
from tests.support.handler_process import HandlerProcess
from tests.support.memory_dynamo import MemoryDynamo

ROOT = Path(__file__).parents[2]
EVENTS = ROOT / "events"
TEMPLATE = load(ROOT / "template.yaml")
DOCUMENT = read_yaml(ROOT / "template.yaml")
NAMES = {logical_id: f"local-{logical_id}" for logical_id in DOCUMENT["Resources"]}
CATALOG = ROOT / "layers/multiconnection/python/multiconnection/data/catalog.json"
CREDIT = CreditRow(ACCOUNT, "example-grant", NANO_PER_USD, "grant", "Example credit", "test", 0)

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
FILES = sorted(EVENTS.glob("*.json"))
REQUESTS = [file for file in FILES if "httpMethod" in json.loads(file.read_text())]


class Functions:
    """The deployed functions, each started at its first event, on one in-memory database and the demo upstream."""

    def __init__(self, environment: dict[str, str], stack: ExitStack) -> None:
        self._environment = environment
        self._stack = stack
        self._running: dict[str, HandlerProcess] = {}

    def invoke(self, file: Path) -> Any:
        name = function_of(file)
        if name not in self._running:
            folder = TEMPLATE.functions()[name].code_uri.replace("/", ".")
            self._running[name] = HandlerProcess(f"{folder}.app", self._environment)
            self._stack.callback(self._running[name].stop)
        return self._running[name].invoke(json.loads(file.read_text()))


def function_of(file: Path) -> str:
    """models-list-get.json is an event of ModelsFunction."""
    [found] = [
        name for name in TEMPLATE.functions() if file.name.startswith(f"{name.removesuffix('Function').lower()}-")
    ]
    return found


@pytest.fixture(scope="module")
def dynamo() -> MemoryDynamo:
    return MemoryDynamo({NAMES[spec.logical_id]: table_keys(spec) for spec in TEMPLATE.tables()})


@pytest.fixture(scope="module")
def functions(dynamo: MemoryDynamo) -> Iterator[Functions]:
    asyncio.run(seed(dynamo))
    with ExitStack() as stack:
        environment = function_environment(TEMPLATE, NAMES, stack.enter_context(dynamo_server(dynamo)))
        yield Functions({**environment, "DEMO_BASE_URL": stack.enter_context(demo_upstream())}, stack)


async def seed(dynamo: MemoryDynamo) -> None:
    """An account with the events' key, credit, usage row and held call; the catalog."""
    store = store_on(dynamo)
    await store.create_account(ACCOUNT, "Example", int(time.time()), AccountLimits())
    await store.credit(CREDIT)
    image = await store.reserve(QUEUED_HOLD, key_epoch=0, in_flight_max=1, activity_bucket=1)
    assert image.holds == {QUEUED_HOLD.hold_id: QUEUED_HOLD}
    await store.decide(EXAMPLE_ROW)
    keys = KeysTable(dynamo, NAMES["KeysTable"], NAMES["BalancesTable"])
    _, secret = await KeyService(keys, store, SystemClock(), SameEachTime()).create(ACCOUNT, "events")
    assert secret == example_key()
    await CatalogTable(dynamo, NAMES["CatalogTable"]).publish(json.loads(CATALOG.read_text())["models"])


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
    assert found == sample_events(DOCUMENT), "run `python -m local.sample_events`"


def test_every_route_has_an_event_of_its_function() -> None:
    events = [(json.loads(file.read_text()), function_of(file)) for file in REQUESTS]
    found = {(event["resource"], event["httpMethod"], function) for event, function in events}
    assert found == {(route.path, route.method, route.function) for route in TEMPLATE.routes()}


def test_every_schedule_and_every_queue_has_an_event() -> None:
    others = sorted(function_of(file) for file in FILES if file not in REQUESTS)
    wanted = [name for name, spec in TEMPLATE.functions().items() for _ in (*spec.schedules, *spec.queues)]
    assert others == sorted(wanted)


@pytest.mark.parametrize("file", REQUESTS, ids=lambda file: file.stem)
def test_a_request_is_answered(functions: Functions, file: Path) -> None:
    event = json.loads(file.read_text())
    answer = functions.invoke(file)
    assert answer["statusCode"] == expected_status(event["resource"], event["httpMethod"]), answer["body"]
    assert answer["headers"]["x-request-id"].startswith("req_")
    if event["httpMethod"] == "HEAD":
        assert answer["body"] == ""
    elif answer["statusCode"] >= 400:
        assert set(json.loads(answer["body"])["error"]) >= {"message", "type", "param", "code"}


@pytest.mark.parametrize(("name", "media_type"), PAID.items())
def test_a_call_is_charged_to_the_account_of_the_key(
    functions: Functions, dynamo: MemoryDynamo, name: str, media_type: str
) -> None:
    answer = functions.invoke(EVENTS / f"{name}-post.json")
    assert (answer["headers"]["content-type"], len(answer["body"]) > 100) == (media_type, True)
    row_id = answer["headers"]["x-request-id"].removeprefix("req_")
    [row] = [row for row in dynamo.items(NAMES["UsageTable"]) if row["request_id"]["S"] == row_id]
    assert (row["account_id"]["S"], row["ended"]["S"]) == (ACCOUNT, "complete")
    assert (int(row["cost"]["N"]) > 0) is (name not in FREE)


def test_the_usage_row_of_the_event_is_the_one_that_is_shown(functions: Functions) -> None:
    answer = functions.invoke(EVENTS / "account-usage-get.json")
    assert EXAMPLE_ROW.hold_id in answer["body"]


def test_the_sweep_finds_nothing_left_behind(functions: Functions) -> None:
    report = functions.invoke(EVENTS / "sweeper-every-minute.json")
    assert (report["ended"], report["failed"], report["complete"]) == (0, 0, True)


async def test_a_queued_decision_is_charged_once_however_often_it_comes(
    functions: Functions, dynamo: MemoryDynamo
) -> None:
    store = store_on(dynamo)
    before = await store.account(ACCOUNT)
    for _ in range(2):
        assert functions.invoke(EVENTS / "sweeper-fallback-queue.json") == {"batchItemFailures": []}
    after = await store.account(ACCOUNT)
    assert before is not None
    assert after is not None
    assert QUEUED_HOLD.hold_id in before.holds
    assert QUEUED_HOLD.hold_id not in after.holds
    assert after.charged - before.charged == QUEUED_ROW.cost
    assert await store.usage_row(ACCOUNT, QUEUED_ROW.hold_id) == QUEUED_ROW


def test_the_books_have_no_drift(functions: Functions) -> None:
    found = functions.invoke(EVENTS / "reconciler-daily.json")
    assert (found["accounts"], found["drift"]) == (1, 0)
    assert found["credits_in"] == NANO_PER_USD
