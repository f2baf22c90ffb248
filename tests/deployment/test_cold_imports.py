"""Imports of a function at its cold start: no AWS SDK, no cryptography, no schema of our API."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = frozenset({"boto3", "botocore", "jwt", "cryptography", "httpx", "jsonschema", "yaml"})
# Powertools looks into the bare package of botocore, which takes half a millisecond, for a place to put its user agent.
REPORT = "import sys; print(*sorted({name.partition('.')[0] for name in sys.modules if name != 'botocore'}))"
FIRST_ANSWER = """
import asyncio, os
os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
from tests.support.wire_world import wire_world

async def main():
    async with wire_world(secret={"OPENAI_API_KEY": "x", "OPENROUTER_API_KEY": "y"}) as world:
        for stream in (False, True):
            assert (await world.chat(stream=stream)).status_code == 200

asyncio.run(main())
"""
AWS_OPERATIONS = """
import asyncio, functions.account.app, httpx
from multiconnection.catalog.health import CloudWatchMetrics
from multiconnection.ledger.dynamo import SqsFallbackQueue
from multiconnection.orders.notifications import StepFunctionsWorkflow
from tests.aws.test_store_errors import ROW
from tests.support.aws_http import aws_http

async def main():
    aws = aws_http(transport=httpx.MockTransport(lambda _: httpx.Response(200, json={"MessageId": "1"})))
    workflow = StepFunctionsWorkflow("arn:aws:states:us-east-1:1:stateMachine:recharge", aws)
    await workflow.start("ord_1", 0)
    await workflow.wake("token")
    await SqsFallbackQueue("https://sqs.example/queue", aws).send(ROW)
    await CloudWatchMetrics("MultiConnection", aws).figures(["openai"], 0, 900)

asyncio.run(main())
"""


def loaded(code: str) -> frozenset[str]:
    """Top-level packages in a fresh interpreter after `code`."""
    ran = subprocess.run(
        [sys.executable, "-c", f"{code}\n{REPORT}"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
    )
    return frozenset(ran.stdout.decode().split())


@pytest.mark.parametrize(
    "function", ["chat", "embeddings", "uploads", "site", "models", "account", "sweeper", "reconciler"]
)
def test_an_entry_loads_nothing_that_it_may_never_use(function: str) -> None:
    assert not loaded(f"import functions.{function}.app") & HEAVY


@pytest.mark.parametrize("function", ["chat", "audio", "images", "embeddings", "uploads", "models"])
def test_the_data_plane_loads_nothing_of_the_console(function: str) -> None:
    parts = "{name for name in sys.modules if name.startswith('multiconnection.bootstrap.')}"
    code = f"import sys, functions.{function}.app; print(*sorted({parts}))"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, check=True, capture_output=True
    )
    loaded_parts = {name.rpartition(".")[2] for name in ran.stdout.decode().split()}
    assert loaded_parts - {"handlers"} == {"base", "gateway"}


def test_the_first_answer_of_the_data_plane_needs_no_aws_sdk() -> None:
    """Keys, limits, money, the providers' secret and the answer itself: all of it over aiohttp. httpx is the test's."""
    assert not loaded(FIRST_ANSWER) & (HEAVY - {"httpx"})


def test_orders_the_fallback_queue_and_health_need_no_aws_sdk() -> None:
    assert not loaded(AWS_OPERATIONS) & {"boto3", "botocore"}


def test_no_function_generates_the_schema_of_its_api() -> None:
    code = "from functions.models.app import app; print(app._app.openapi_url, app._app.openapi_schema)"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, check=True, capture_output=True
    )
    assert ran.stdout.split() == [b"None", b"None"]
