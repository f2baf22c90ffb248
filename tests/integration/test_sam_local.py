"""`sam local invoke` without a container: what SAM would run, told by its own code, and run here as Lambda runs it."""

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from local.environment import function_environment
from local.paths import ROOT, TEMPLATE
from local.seed import catalog_file
from local.template import load
from local.template_values import read_yaml
from multiconnection.catalog.store import CatalogTable
from tests.support.fake_lambda import FakeLambda
from tools.memory_dynamo.driver import MemoryDynamo
from tools.memory_dynamo.server import dynamo_server, table_keys
from tools.sam_local import commands, container_environment, container_network, seed_examples

SAM_PYTHON = ROOT / ".tools" / "sam" / "bin" / "python"
DECLARED = load(TEMPLATE)
FUNCTIONS = DECLARED.functions()
STREAMED = sorted(name for name, spec in FUNCTIONS.items() if spec.handler == "run.sh")
BUFFERED = sorted(FUNCTIONS.keys() - set(STREAMED))
EVENTS = ROOT / "events"
NAMES = {logical_id: f"local-{logical_id}" for logical_id in read_yaml(TEMPLATE)["Resources"]}
# Asked here, of each buffered function, and a part of the answer. The others need what the in-memory database is not.
ASKED = {
    "AccountFunction": ("account-balance-get", "in_flight"),
    "AdminFunction": ("admin-admin-get", "unknown_url"),
    "FallbackFunction": ("fallback-fallback-queue", "batchItemFailures"),
    "ModelsFunction": ("models-list-get", "deepseek-v4-flash"),
    "RechargeFunction": ("recharge-look", "submitted"),
    "ReconcilerFunction": ("reconciler-daily", "drift"),
    "SiteFunction": ("site-home-get", "<!doctype html>"),
    "SweeperFunction": ("sweeper-every-minute", "complete"),
    "UploadsFunction": ("uploads-uploads-post", "upload"),
}


@pytest.fixture(scope="module")
def local_stack(base_url: str) -> Iterator[dict[str, str]]:
    """The environment of functions on an in-memory database with what the events ask for, and the demo upstream."""
    dynamo = MemoryDynamo({NAMES[spec.logical_id]: table_keys(spec) for spec in DECLARED.tables()})
    asyncio.run(seed_examples(dynamo, NAMES))
    asyncio.run(CatalogTable(dynamo, NAMES["CatalogTable"]).publish(catalog_file()))
    with dynamo_server(dynamo) as endpoint_url:
        yield {**function_environment(DECLARED, NAMES, endpoint_url), "DEMO_BASE_URL": base_url}


@pytest.fixture(scope="module")
def told(build_dir: Path, local_stack: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """By function, what SAM would run."""
    file = tmp_path_factory.mktemp("env") / "env.json"
    file.write_text(json.dumps({"Parameters": container_environment(local_stack, "127.0.0.1")}))
    script, template = ROOT / "tests/support/sam_invocations.py", build_dir / "template.yaml"
    done = subprocess.run(
        [SAM_PYTHON, "-P", script, template, file, "host", "Adapter=own"],
        env={"PATH": os.environ["PATH"], "HOME": str(file.parent), "SAM_CLI_TELEMETRY": "0"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_it_is_every_function_of_the_template(told: dict[str, Any]) -> None:
    assert told.keys() == FUNCTIONS.keys()
    assert sorted(ASKED) == BUFFERED


@pytest.mark.parametrize("name", FUNCTIONS)
def test_code_layers_and_handler_are_those_of_the_build(name: str, told: dict[str, Any], build_dir: Path) -> None:
    found, code = told[name], Path(told[name]["code"])
    assert (code, found["timeout"]) == (build_dir / name, FUNCTIONS[name].timeout_s)
    module = found["handler"] if name in STREAMED else f"{found['handler'].partition('.')[0]}.py"
    assert (code / module).is_file()
    layers = ["DependenciesLayer", "MultiConnectionLayer", *(["AdapterLayer"] if name in STREAMED else [])]
    assert found["layers"] == [str(build_dir / layer) for layer in layers], "nothing is fetched with credentials"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_environment_leads_to_the_local_stack_and_nowhere_else(
    name: str, told: dict[str, Any], local_stack: Mapping[str, str]
) -> None:
    found = told[name]["environment"]
    declared = DECLARED.functions()[name].environment.keys() - {"AWS_LWA_INVOKE_MODE", "RELEASE"}
    assert {variable: found[variable] for variable in declared & local_stack.keys()} == {
        variable: local_stack[variable] for variable in declared & local_stack.keys()
    }
    assert found["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")
    if name in STREAMED:
        assert (found["AWS_LWA_INVOKE_MODE"], found["AWS_LWA_PORT"]) == ("buffered", "8000")


@pytest.mark.parametrize("name", ASKED)
async def test_a_built_function_answers_its_event_as_lambda_calls_it(
    name: str, told: dict[str, Any], python: Path, runtime: Path, tmp_path: Path
) -> None:
    event_name, expected = ASKED[name]
    fake = FakeLambda()
    await fake.start()
    roots = [told[name]["code"], *(f"{layer}/python" for layer in told[name]["layers"]), runtime]
    environment = told[name]["environment"] | {"AWS_LAMBDA_RUNTIME_API": fake.address, "PATH": os.environ["PATH"]}
    script = ROOT / "tests/support/runtime_client.py"
    with (tmp_path / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            python, "-I", "-S", "-B", script, *roots, env=environment, stdout=log, stderr=log
        )
    try:
        invocation = fake.begin(json.loads((EVENTS / f"{event_name}.json").read_text()), told[name]["timeout"])
        async with asyncio.timeout(60):
            await invocation.until(lambda found: found.ended_s is not None)
        answer = invocation.raw.decode()
        assert invocation.error is None, (tmp_path / "log").read_text()
        assert expected in answer
    finally:
        process.kill()
        await process.wait()
        await fake.stop()


def test_the_commands_name_what_is_there() -> None:
    text = commands(container_network("Linux")[0], ["account-console-get.json"])
    invoked = [line.split() for line in text.splitlines() if line.strip().startswith("sam local invoke")]
    assert len(invoked) >= 4
    for words in invoked:
        assert words[3] in FUNCTIONS
        event = words[5].removeprefix("events/")
        assert event.startswith("local/") or (EVENTS / event).is_file()
        assert "Adapter=own" in words
        assert words[-2:] == ["--docker-network", "host"]
    assert "--docker-network" not in commands(container_network("Darwin")[0], ["a.json"])
