"""Connects commands to the local state: the running stack, or its database started for the moment."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from local.aws import local_aws
from local.deployed import deployed_environment
from local.environment import adopt, aws_environment
from local.paths import STACK_FILE
from multiconnection.bootstrap.base import SystemClock
from multiconnection.bootstrap.workers import Workers, build_workers
from multiconnection.config import Settings
from multiconnection.observability.metrics import Emf

# A command prints its result; only functions publish metrics and alarms.
SILENT = Emf("none", write=lambda _: None)


class NoLocalStack(RuntimeError):
    """There is no local state yet."""


class ShiftedClock(SystemClock):
    """The system's clock, some seconds ahead: to see what a sweep would find later."""

    def __init__(self, ahead_s: float) -> None:
        self._ahead_s = ahead_s

    def now(self) -> float:
        return super().now() + self._ahead_s


@contextmanager
def connected(ahead_s: float = 0.0, stack: str | None = None) -> Iterator[Workers]:
    """The deployed `stack`, or the local one. Raises NoSuchStack, or NoLocalStack before the first `make run`."""
    if stack is not None:
        yield build_workers(Settings.of(deployed_environment(stack)), ShiftedClock(ahead_s), SILENT)
        return
    if not STACK_FILE.exists():
        raise NoLocalStack("There is no local stack yet: start it with `make run`.")
    environment: dict[str, str] = json.loads(STACK_FILE.read_text())
    if _answers(environment["AWS_ENDPOINT_URL"]):
        yield _workers(environment, ahead_s)
        return
    with local_aws() as ministack:
        old = environment["AWS_ENDPOINT_URL"]
        moved = {name: value.replace(old, ministack.endpoint_url) for name, value in environment.items()}
        yield _workers(moved | aws_environment(ministack.endpoint_url), ahead_s)


def _workers(environment: dict[str, str], ahead_s: float) -> Workers:
    return build_workers(Settings.of(adopt(environment)), ShiftedClock(ahead_s), SILENT)


def _answers(endpoint_url: str) -> bool:
    try:
        return httpx.get(f"{endpoint_url}/_ministack/ready", timeout=2, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False
