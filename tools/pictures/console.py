"""docs/images/console.png: the usage page of a local stack with a month of calls, as a signed-in user sees it."""

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

from tests.e2e.console.conftest import BROWSERS
from tests.e2e.console.support.people import demo_user
from tests.e2e.console.support.visitor import Visitor
from tests.e2e.support.stack import LocalStack
from tools.pictures.history import write_history

WIDTH, HEIGHT = 1280, 898
# The console keeps a place for a scroll bar, which is not there.
SCROLL_BAR = 15


def shoot_console(file: Path) -> None:
    """Needs Chromium in the PATH; the stack is its own and is gone afterwards."""
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        raise SystemExit("The picture of the console needs Chromium: apt-get install chromium")
    with TemporaryDirectory(prefix="multiconnection-pictures-") as folder, LocalStack(Path(folder) / "local") as stack:
        environment = json.loads((stack.folder / "stack.json").read_text())
        write_history(environment | {"DEMO_BASE_URL": f"{stack.demo_url}/v1"}, stack.run["account_id"])
        with (
            sync_playwright() as playwright,
            playwright.chromium.launch(executable_path=executable, args=["--hide-scrollbars"]) as browser,
        ):
            visitor = Visitor(
                browser, stack, viewport={"width": WIDTH + SCROLL_BAR, "height": HEIGHT}, timezone_id="UTC"
            )
            visitor.sign_in(demo_user(stack), "/console/usage")
            visitor.page.wait_for_selector(".plot canvas")
            visitor.page.screenshot(path=file, clip={"x": 0, "y": 0, "width": WIDTH, "height": HEIGHT})
            visitor.close()
