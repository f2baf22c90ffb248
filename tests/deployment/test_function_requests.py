"""Requests that the functions send to AWS stay within their policies, and are those that docs/cost.md counts."""

import re
from pathlib import Path

import pytest
from fastapi import APIRouter

from multiconnection.audio import routes as audio_routes
from multiconnection.catalog import routes as catalog_routes
from multiconnection.catalog.store import COOL_DOWNS
from multiconnection.chat import routes as chat_routes
from multiconnection.embeddings import routes as embeddings_routes
from multiconnection.history import routes as history_routes
from multiconnection.images import routes as images_routes
from multiconnection.uploads import routes as uploads_routes
from tests.deployment.test_policies import NEEDS
from tests.support.item_units import write_units
from tests.support.wire_world import WireWorld, wire_world

TABLES = {
    "keys": "KeysTable",
    "balances": "BalancesTable",
    "usage": "UsageTable",
    "credits": "CreditsTable",
    "catalog": "CatalogTable",
    "limits": "LimitsTable",
    "secret": "ProviderSecretArn",
}
ROUTERS = {
    "ChatFunction": chat_routes.router,
    "AudioFunction": audio_routes.router,
    "ImagesFunction": images_routes.router,
    "EmbeddingsFunction": embeddings_routes.router,
    "UploadsFunction": uploads_routes.router,
    "ModelsFunction": catalog_routes.router,
    "AccountFunction": history_routes.router,
}
OTHERS = {
    "/v1/embeddings": {"model": "text-embedding-3-small", "input": "hi"},
    "/v1/moderations": {"input": "hi"},
    "/v1/images/generations": {"model": "dall-e-3", "prompt": "hi"},
    "/v1/audio/speech": {"model": "tts-1", "input": "hi", "voice": "alloy"},
}
CALLS = 40
COST_PAGE = Path(__file__).parents[2] / "docs/cost.md"


@pytest.fixture(autouse=True)
def _aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


async def exercise(world: WireWorld) -> None:
    """Every route of every API function, good and bad; those the function does not serve are 404s."""
    for stream in (False, True):
        await world.chat(stream=stream)
        for status in (500, 401):
            world.provider.statuses, world.second.statuses = [status], [status]
            await world.chat(stream=stream)
    for path, body in OTHERS.items():
        await world.client.post(path, json=body, headers=world.headers)
    await world.client.post("/v1/uploads", json={"bytes": 1, "content_type": "image/png"}, headers=world.headers)
    for path in ("/v1/models", "/v1/models/gpt-4.1", "/api/models", "/v1/balance", "/v1/usage/req_0123456789ab"):
        await world.client.get(path, headers=world.headers)


@pytest.mark.parametrize("function", sorted(ROUTERS))
async def test_a_function_asks_for_nothing_that_it_may_not_have(function: str) -> None:
    router: APIRouter = ROUTERS[function]
    async with wire_world(secret={"OPENAI_API_KEY": "x", "OPENROUTER_API_KEY": "y"}, routers=(router,)) as world:
        seeded = {item["pk"]["S"] for item in world.aws.dynamo.items("catalog")}
        await exercise(world)
        asked = {(_resource(table, operation), _action(operation)) for table, operation in world.aws.requests}
        written = {item["pk"]["S"] for item in world.aws.dynamo.items("catalog")} - seeded
    allowed = {(resource, action) for resource, actions in NEEDS[function].items() for action in actions}
    assert asked <= allowed
    assert {resource for resource, _ in asked} >= {"KeysTable"}
    assert written == ({COOL_DOWNS} if f"CatalogTable/{COOL_DOWNS}" in NEEDS[function] else set())


def _resource(table: str, operation: str) -> str:
    """Of the catalog only cool-downs are written: the test looks at the items themselves."""
    return f"CatalogTable/{COOL_DOWNS}" if (table, operation) == ("catalog", "UpdateItem") else TABLES[table]


def _action(operation: str) -> str:
    service = "secretsmanager" if operation == "GetSecretValue" else "dynamodb"
    return f"{service}:{operation}"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_costs_the_requests_and_units_that_the_cost_page_says(stream: bool) -> None:
    async with wire_world() as world:
        for _ in range(5):
            assert (await world.chat(stream=stream)).status_code == 200
        world.aws.requests.clear()
        for _ in range(CALLS):
            assert (await world.chat(stream=stream)).status_code == 200
        requests = {f"{table} {operation}": number for (table, operation), number in world.aws.requests.items()}
        balances, rows = world.aws.dynamo.items("balances"), world.aws.dynamo.items("usage")
    assert requests.pop("limits UpdateItem", 0) <= 2
    assert requests == {"balances UpdateItem": 2 * CALLS, "usage PutItem": CALLS}
    assert {write_units(item) for item in (*balances, *rows)} == {1}
    page = COST_PAGE.read_text()
    assert _counted(page, "Balances, UpdateItem (reserve, apply)") == 2
    assert _counted(page, "Balances, index by_activity") == 0
    assert _counted(page, "Usage, PutItem (decide)") == 1


def _counted(page: str, row: str) -> float:
    found = re.search(rf"^\| {re.escape(row)} \| ([\d.]+) \|", page, re.MULTILINE)
    assert found, row
    return float(found[1])
