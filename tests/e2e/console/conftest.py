"""One browser for all walks, a fresh profile for every person in them."""

import shutil
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.e2e.console.support.mailbox import Mailbox
from tests.e2e.console.support.visitor import WAIT_MS, Visitor
from tests.e2e.support.stack import ROOT, LocalStack
from tests.support.needs import require

ARTIFACTS = ROOT / ".artifacts"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
Visitors = Callable[..., Visitor]
_failed = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[_failed] = item.stash.get(_failed, False) or report.failed
    return report


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Of the package, not of the session: its event loop is in the way of tests that start one."""
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        require(BROWSERS[0])
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        with playwright.chromium.launch(executable_path=executable) as started:
            yield started


@pytest.fixture
def visitors(browser: Browser, stack: LocalStack, request: pytest.FixtureRequest) -> Iterator[Visitors]:
    """People at browsers of their own, of the default stack unless another is named.

    After a walk that went well nothing may have gone wrong behind its back; after another one its pages are kept.
    """
    present: list[Visitor] = []

    def arrive(at: LocalStack = stack, **options: Any) -> Visitor:
        present.append(Visitor(browser, at, **options))
        return present[-1]

    yield arrive
    failed = request.node.stash.get(_failed, False)
    for number, visitor in enumerate(present):
        if failed:
            visitor.shoot(ARTIFACTS / "failures" / f"{request.node.name}-{number}.png")
        visitor.close()
    for visitor in present if not failed else ():
        visitor.watch.assert_nothing_wrong()


@pytest.fixture
def visitor(visitors: Visitors) -> Visitor:
    return visitors()


@pytest.fixture
def mailbox(stack: LocalStack) -> Mailbox:
    return Mailbox(stack)


@pytest.fixture(scope="session")
def screens() -> Path:
    """Where screenshots are kept."""
    return ARTIFACTS / "screens"
