"""Fixtures of the adapter suite: a local AWS, the demo upstream, and the chat function behind the real adapter."""

import os
import re
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from local.environment import REGION, aws_environment
from local.ministack import MiniStack
from local.paths import MINISTACK, ROOT, TEMPLATE
from local.processes import Child
from local.resources import clients, create
from local.seed import seed_catalog
from local.template import load
from multiconnection.bootstrap import Workers, build_workers
from multiconnection.config import Settings
from tests.support import lambda_adapter
from tests.support.adapter_world import Customer, NewCustomer, new_customer
from tests.support.function_code import FunctionCode, NotBuilt, built, from_source
from tests.support.sandbox import NewSandbox, Sandbox

# Shorter than deployed, so that a test of silence is short.
KEEP_ALIVE_S = "1"
UPSTREAM_START_S = 60.0
CODE_USED = pytest.StashKey[str]()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if used := config.stash.get(CODE_USED, None):
        terminalreporter.write_line(f"adapter suite: ran {used}")


def _cannot_run(why: str) -> None:
    """A skip on a developer's machine, a failure where nothing may be skipped."""
    if os.environ.get("CI_NO_SKIP") == "1":
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture(scope="session")
def adapter_path() -> Path:
    if why := lambda_adapter.missing():
        _cannot_run(why)
    return lambda_adapter.lambda_adapter()


@pytest.fixture(scope="session")
def code(pytestconfig: pytest.Config) -> FunctionCode:
    try:
        found = built()
        note = found.what
    except NotBuilt as why:
        if os.environ.get("CI_NO_SKIP") == "1":
            pytest.fail(f"the built artefact has to be tested: {why}")
        found = from_source()
        note = f"{found.what} ({why})"
    pytestconfig.stash[CODE_USED] = note
    return found


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
def variables(adapter_path: Path, demo_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The function's variables as template.yaml has them, with its resources on a local AWS."""
    if not MINISTACK.exists():
        _cannot_run("MiniStack is not installed in .tools/ministack")
    with MiniStack(MINISTACK, tmp_path_factory.mktemp("ministack"), region=REGION) as ministack:
        template = load(TEMPLATE)
        names = create(template, clients(ministack.endpoint_url, REGION))
        yield {
            **template.environment("ChatFunction", names, {}),
            **aws_environment(ministack.endpoint_url),
            "DEMO_BASE_URL": demo_url,
            "KEEP_ALIVE_S": KEEP_ALIVE_S,
        }


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def workers(variables: dict[str, str]) -> AsyncIterator[Workers]:
    """The control plane's way to the same tables, with the catalog published."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        made = build_workers(Settings.of(variables))
        await seed_catalog(made, variables)
        yield made


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
    code: FunctionCode, adapter_path: Path, variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[NewSandbox]:
    """Makes execution environments; all of them end with the suite."""
    started: list[Sandbox] = []

    async def make(*, snap_start: bool = False, **changes: str) -> Sandbox:
        folder = tmp_path_factory.mktemp("sandbox")
        sandbox = Sandbox(code, adapter_path, folder, variables | changes, snap_start)
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
