"""Everything around the measured processes: a local AWS with its own state, the demo upstream, an account, a key."""

import asyncio
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.asked import IMAGE_MODEL
from local.environment import LOCAL_PARAMETERS, REGION, adopt, aws_environment
from local.ministack import MiniStack
from local.paths import MINISTACK, ROOT, TEMPLATE
from local.processes import HOST, Child, free_port
from local.provision import provision
from local.resources import clients, create
from local.seed import catalog_file, seed_catalog, seed_demo_account, working_key
from local.stack import answers
from local.template import Template, load
from multiconnection.bootstrap.workers import Workers, build_workers
from multiconnection.config import Settings

READY_S = 60.0
FLOOR_PREFIX = "floor"
# No order is placed while we measure.
NO_WORKERS = f"http://{HOST}:9"
# What a child may see of the user's environment: a provider's key there would send the load to the provider.
_PASSED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH")


@dataclass(frozen=True, slots=True)
class World:
    """`environment` is the functions'; `floor_tables` are scratch copies of Balances and Usage."""

    directory: Path
    environment: Mapping[str, str]
    floor_tables: tuple[str, str]
    upstream_url: str
    workers: Workers
    api_key: str

    def gateway(self, **variables: str) -> "AbstractContextManager[Server]":
        """The local gateway, as `make run` starts it."""
        return self._server("gateway", "local.serve", "/api/models", (), variables)

    def floor(self, **variables: str) -> "AbstractContextManager[Server]":
        balances, usage = self.floor_tables
        options = ("--upstream", self.upstream_url, "--balances", balances, "--usage", usage)
        return self._server("floor", "benchmarks.floor", "/ready", options, variables)

    def counting_proxy(self) -> "AbstractContextManager[Server]":
        """In front of the local AWS; point a server's AWS_ENDPOINT_URL at its `origin`."""
        options = ("--target", self.environment["AWS_ENDPOINT_URL"])
        return self._server("counting", "benchmarks.counting", "/_counts", options, {})

    def _server(
        self, name: str, module: str, ready_path: str, options: tuple[str, ...], variables: Mapping[str, str]
    ) -> "AbstractContextManager[Server]":
        return running(self.directory, name, module, ready_path, options, {**self.environment, **variables})


@dataclass(frozen=True, slots=True)
class Server:
    """A running server process."""

    name: str
    origin: str
    pid: int

    @property
    def base_url(self) -> str:
        return f"{self.origin}/v1"


@contextmanager
def running(
    directory: Path, name: str, module: str, ready_path: str, options: tuple[str, ...], variables: Mapping[str, str]
) -> Iterator[Server]:
    """A Python module that serves on the port it is given; it ends with us, however we end."""
    port = free_port()
    child = Child.start(
        name,
        [sys.executable, "-m", module, "--port", str(port), *options],
        env=_bare_environment() | dict(variables),
        cwd=ROOT,
        log_path=directory / f"{name}.log",
    )
    try:
        child.wait_ready(lambda: answers(f"http://{HOST}:{port}{ready_path}"), READY_S)
        yield Server(name, f"http://{HOST}:{port}", child.pid)
    finally:
        child.stop()


@contextmanager
def world() -> Iterator[World]:
    """Up in a few seconds; everything is gone afterwards. Turns this process to the local AWS for good."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="multiconnection-bench-")))
        ministack = stack.enter_context(MiniStack(MINISTACK, directory / "state", region=REGION))
        demo = stack.enter_context(running(directory, "demo", "local.demo_upstream", "/v1/models", (), {}))
        template = load(TEMPLATE)
        names = provision(template, ministack.endpoint_url, NO_WORKERS, LOCAL_PARAMETERS)
        environment = _environment(template, names, ministack.endpoint_url)
        environment["DEMO_BASE_URL"] = demo.base_url
        scratch = create(template, clients(ministack.endpoint_url, REGION), FLOOR_PREFIX)
        adopt(environment)
        workers = build_workers(Settings.of(environment))
        yield World(
            directory=directory,
            environment=environment,
            floor_tables=(scratch["BalancesTable"], scratch["UsageTable"]),
            upstream_url=demo.base_url,
            workers=workers,
            api_key=asyncio.run(_seed(workers)),
        )


def _environment(template: Template, names: Mapping[str, str], endpoint_url: str) -> dict[str, str]:
    """The environment of `make run`, without the user's own variables, so that runs compare."""
    variables: dict[str, str] = {}
    for function in template.functions():
        variables |= template.environment(function, names, LOCAL_PARAMETERS)
    return variables | aws_environment(endpoint_url)


async def _seed(workers: Workers) -> str:
    await seed_catalog(workers, {})
    await workers.catalog.publish([_large_images()])
    await seed_demo_account(workers)
    return await working_key(workers, None)


def _large_images() -> dict[str, Any]:
    """The shipped model under the name at which the demo upstream draws what cannot be compressed."""
    [shipped] = [entry for entry in catalog_file() if entry["id"] == IMAGE_MODEL.partition("+")[0]]
    upstreams = [{"provider": "demo", "model": IMAGE_MODEL}]
    return {**shipped, "id": IMAGE_MODEL, "code": "zzz", "aliases": [], "upstreams": upstreams}


def _bare_environment() -> dict[str, str]:
    return {name: os.environ[name] for name in _PASSED if name in os.environ}
