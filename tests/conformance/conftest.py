"""Fixtures of the conformance suite: one driver after the other, each on the same tables."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from local.ministack import MiniStack
from multiconnection.aws.dynamo import Driver
from tests.support import dynamodb_local as java
from tests.support.needs import cannot_run

from . import drivers
from .known_differences import why_different

MINISTACK = java.ROOT / ".tools" / "ministack" / "bin" / "ministack"
DRIVERS = (
    "memory",
    "moto",
    "boto_on_ministack",
    "hot_on_ministack",
    pytest.param("boto_on_dynamodb_local", marks=pytest.mark.java),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        callspec = getattr(item, "callspec", None)
        if not isinstance(item, pytest.Function) or callspec is None or "driver_name" not in callspec.params:
            continue
        driver = str(callspec.params["driver_name"])
        case = callspec.id.removeprefix(driver).removeprefix("-")
        if why := why_different(driver, item.originalname, case):
            item.add_marker(pytest.mark.xfail(strict=True, reason=why))


@pytest.fixture(scope="session")
def ministack_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if not MINISTACK.exists():
        cannot_run("MiniStack is not installed in .tools/ministack: run the suite with make test")
    state: Path = tmp_path_factory.mktemp("ministack")
    with MiniStack(MINISTACK, state, services=("dynamodb",)) as ministack:
        drivers.create_tables(drivers.boto_client(ministack.endpoint_url))
        yield ministack.endpoint_url


@pytest.fixture(scope="session")
def dynamodb_local_url() -> Iterator[str]:
    if why := java.missing():
        cannot_run(why)
    with java.dynamodb_local() as endpoint_url:
        drivers.create_tables(drivers.boto_client(endpoint_url))
        yield endpoint_url


@pytest.fixture(scope="module", params=DRIVERS)
def driver_name(request: pytest.FixtureRequest) -> str:
    """Of module scope, so that all cases of one driver run together and moto is on for its own cases only."""
    return str(request.param)


@pytest.fixture(scope="module")
def opened(driver_name: str, request: pytest.FixtureRequest) -> Iterator[Driver | str]:
    """The driver, or the URL for one that lives no longer than the loop of its test."""
    if driver_name == "memory":
        yield drivers.memory_driver()
    elif driver_name == "moto":
        with drivers.moto_driver() as driver:
            yield driver
    elif driver_name == "hot_on_ministack":
        yield request.getfixturevalue("ministack_url")
    else:
        url = "ministack_url" if driver_name.endswith("ministack") else "dynamodb_local_url"
        with drivers.boto_driver(request.getfixturevalue(url)) as driver:
            yield driver


@pytest.fixture
async def driver(opened: Driver | str) -> AsyncIterator[Driver]:
    if isinstance(opened, str):
        async with drivers.hot_driver(opened) as made:
            yield made
    else:
        yield opened


@pytest.fixture
def pk() -> str:
    """A partition of the test's own: the tables outlive it."""
    return uuid4().hex
