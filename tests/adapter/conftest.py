"""Fixtures of the adapter suite: a local AWS, the demo upstream, and the functions behind the real adapter."""

import os
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import pytest_asyncio

from local.environment import REGION, aws_environment
from local.ministack import MiniStack
from local.paths import MINISTACK, ROOT, TEMPLATE
from local.processes import Child
from local.resources import clients, create
from local.seed import catalog_file, seed_catalog
from local.template import Template, load
from multiconnection.bootstrap.workers import Workers, build_workers
from multiconnection.config import Settings
from tests.support.adapter_world import Customer, NewCustomer, new_customer
from tests.support.function_code import FunctionCode, NotBuilt, built, from_source
from tests.support.needs import cannot_run
from tests.support.sandbox import NewSandbox, Sandbox
from tools import lambda_adapter

# Shorter than deployed, so that a test of silence is short.
KEEP_ALIVE_S = "1"
UPSTREAM_START_S = 60.0
CODE_USED = pytest.StashKey[str]()
CHAT = "ChatFunction"
# What is wrong with a demo model's answer is in its name; the catalog that is shipped has such names for chat alone.
MISBEHAVING = ("tts-1+cut", "gpt-4o-mini-tts+cut", "gpt-image-1-mini+big-event", "gpt-image-1-mini+cut")

CodeOf: TypeAlias = Callable[[str], FunctionCode]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if used := config.stash.get(CODE_USED, None):
        terminalreporter.write_line(f"adapter suite: ran {used}")


@pytest.fixture(scope="session")
def adapter_path() -> Path:
    if why := lambda_adapter.missing():
        cannot_run(why)
    return lambda_adapter.lambda_adapter()


@pytest.fixture(scope="session")
def code_of(pytestconfig: pytest.Config) -> CodeOf:
    """By the function's logical id."""

    def find(function: str) -> FunctionCode:
        try:
            found = built(function)
            note = found.what
        except NotBuilt as why:
            if os.environ.get("CI_NO_SKIP") == "1":
                pytest.fail(f"the built artefact has to be tested: {why}")
            found = from_source(function)
            note = f"{found.what} ({why})"
        pytestconfig.stash[CODE_USED] = note
        return found

    return find


@pytest.fixture(scope="session")
def demo_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = tmp_path_factory.mktemp("demo") / "log"
    command = [sys.executable, "-m", "local.demo_upstream", "--port", "0"]
    upstream = Child.start("demo", command, env=dict(os.environ), cwd=ROOT, log_path=log)
    ready = re.compile(r"ready on (\S+)")
    upstream.wait_ready(lambda: ready.search(log.read_text()) is not None, UPSTREAM_START_S)
    found = ready.search(log.read_text())
    assert found is not None
    yield found[1]
    upstream.stop()


@pytest.fixture(scope="session")
def template() -> Template:
    return load(TEMPLATE)


@pytest.fixture(scope="session")
def resources(
    template: Template, adapter_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[dict[str, str], str]]:
    """The template's resources on a local AWS: their names by logical id, and its address."""
    if not MINISTACK.exists():
        cannot_run("MiniStack is not installed in .tools/ministack: run the suite with make test")
    with MiniStack(MINISTACK, tmp_path_factory.mktemp("ministack"), region=REGION) as ministack:
        yield create(template, clients(ministack.endpoint_url, REGION)), ministack.endpoint_url


@pytest.fixture(scope="session")
def variables_of(
    template: Template, resources: tuple[dict[str, str], str], demo_url: str
) -> Callable[[str], dict[str, str]]:
    """A function's variables as template.yaml has them, by its logical id."""
    names, endpoint_url = resources

    def find(function: str) -> dict[str, str]:
        own = {"DEMO_BASE_URL": demo_url, "KEEP_ALIVE_S": KEEP_ALIVE_S}
        return {**template.environment(function, names, {}), **aws_environment(endpoint_url), **own}

    return find


@pytest.fixture(scope="session")
def variables(variables_of: Callable[[str], dict[str, str]]) -> dict[str, str]:
    return variables_of(CHAT)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def workers(variables: dict[str, str]) -> AsyncIterator[Workers]:
    """The control plane's way to the same tables, with the catalog published."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        made = build_workers(Settings.of(variables))
        await seed_catalog(made, variables)
        await made.catalog.publish(list(_misbehaving()))
        yield made


def _misbehaving() -> Iterator[dict[str, Any]]:
    shipped = {entry["id"]: entry for entry in catalog_file()}
    for number, name in enumerate(MISBEHAVING):
        own = {"id": name, "code": f"z{number:02}", "aliases": [], "upstreams": [{"provider": "demo", "model": name}]}
        yield {**shipped[name.partition("+")[0]], **own}


@pytest.fixture
def new_account(workers: Workers) -> NewCustomer:
    async def make(**options: Any) -> Customer:
        return await new_customer(workers, **options)

    return make


@pytest_asyncio.fixture(loop_scope="session")
async def customer(workers: Workers) -> Customer:
    return await new_customer(workers)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def new_sandbox(
    code_of: CodeOf,
    adapter_path: Path,
    variables_of: Callable[[str], dict[str, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[NewSandbox]:
    """Makes execution environments; all of them end with the suite."""
    started: list[Sandbox] = []

    async def make(function: str = CHAT, *, snap_start: bool = False, **changes: str) -> Sandbox:
        folder = tmp_path_factory.mktemp("sandbox")
        sandbox = Sandbox(code_of(function), adapter_path, folder, variables_of(function) | changes, snap_start)
        started.append(sandbox)
        await sandbox.start()
        return sandbox

    yield make
    for sandbox in started:
        await sandbox.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sandbox(workers: Workers, new_sandbox: NewSandbox) -> AsyncIterator[Sandbox]:
    """The one that most tests share; whatever they did, it has kept to the protocol."""
    made = await new_sandbox()
    yield made
    assert made.runtime.problems == []


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def audio(workers: Workers, new_sandbox: NewSandbox) -> AsyncIterator[Sandbox]:
    made = await new_sandbox("AudioFunction")
    yield made
    assert made.runtime.problems == []


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def images(workers: Workers, new_sandbox: NewSandbox) -> AsyncIterator[Sandbox]:
    made = await new_sandbox("ImagesFunction")
    yield made
    assert made.runtime.problems == []


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def embeddings(workers: Workers, new_sandbox: NewSandbox) -> AsyncIterator[Sandbox]:
    made = await new_sandbox("EmbeddingsFunction")
    yield made
    assert made.runtime.problems == []
