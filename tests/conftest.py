"""Tests marked `virtual_time` run on a loop whose clock jumps to the next timer."""

from asyncio import AbstractEventLoop, new_event_loop
from collections.abc import Callable, Mapping

import pytest

from tests.support.virtual_time import VirtualLoop


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], AbstractEventLoop]]:
    return {"virtual": VirtualLoop} if item.get_closest_marker("virtual_time") else {"real": new_event_loop}
