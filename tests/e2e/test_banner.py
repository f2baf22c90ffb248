"""What `make run` prints works as printed."""

import subprocess
import sys

from tests.e2e.support.customers import Customer
from tests.e2e.support.events import events_of
from tests.e2e.support.prices import DEEPSEEK_FLASH
from tests.e2e.support.stack import ROOT, LocalStack
from tests.support.needs import require

SAID = "Hello from the demo model! You said: hello MultiConnection"
TIMEOUT_S = 60


def test_the_printed_curl_streams_an_answer_with_its_cost(stack: LocalStack) -> None:
    require("curl", "sh")
    command = between(stack.output, "Stream an answer:\n\n", "\n\nIn Python:")
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    events = events_of(done.stdout)
    assert (events.text, events.done) == (SAID, True)
    assert events.chunks[-1]["usage"]["cost"] == float(DEEPSEEK_FLASH.of(prompt=6, completion=9))


def test_the_printed_python_prints_the_answer(stack: LocalStack) -> None:
    snippet = between(stack.output, "In Python:\n\n", "\n\nCtrl-C")
    done = subprocess.run(
        [sys.executable, "-c", snippet], cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=True
    )
    assert done.stdout.startswith(SAID)
    # A JSON number, which Python reads as a float.
    assert f"cost={float(DEEPSEEK_FLASH.of(prompt=6, completion=9))}" in done.stdout


def test_run_json_says_the_same_as_the_banner(stack: LocalStack, demo: Customer) -> None:
    run = stack.run
    people = [*run["demo_user"].values(), *run["demo_admin"].values()]
    for value in (stack.base_url, demo.api_key, demo.account_id, run["model"], run["console_url"], run["mail_url"]):
        assert value in stack.output
    for value in people:
        assert value in stack.output
    assert len(set(people)) == 4
    assert (stack.folder / "run.json").stat().st_mode & 0o077 == 0


def between(text: str, start: str, end: str) -> str:
    return text.partition(start)[2].partition(end)[0]
