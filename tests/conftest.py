"""Tests marked `virtual_time` run on a loop whose clock jumps to the next timer; `make test` is told of skips."""

from asyncio import AbstractEventLoop, new_event_loop
from collections.abc import Callable, Mapping

import pytest

from tests.support import needs
from tests.support.virtual_time import VirtualLoop


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], AbstractEventLoop]]:
    return {"virtual": VirtualLoop} if item.get_closest_marker("virtual_time") else {"real": new_event_loop}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = (report.longrepr for report in terminalreporter.getreports("skipped"))
    needs.record(why[2].removeprefix("Skipped: ") for why in skipped if isinstance(why, tuple))
