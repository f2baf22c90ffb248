"""Services wait between attempts; here their time is virtual."""

from asyncio import AbstractEventLoop
from collections.abc import Callable

from tests.support.virtual_time import VirtualLoop


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], AbstractEventLoop]]:
    return {"virtual": VirtualLoop}
