"""The calls that README.md and docs/api.md show work as they stand there, key and address aside."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.support.customers import Customer
from tests.e2e.support.stack import ROOT, LocalStack
from tests.e2e.support.toolchains import node_modules
from tests.support.needs import require

TIMEOUT_S = 60
README, API = "README.md", "docs/api.md"


def block(page: str, language: str) -> str:
    """The only one of this language on a page."""
    [found] = re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    return str(found)


def run(command: list[str], folder: Path, stack: LocalStack, customer: Customer) -> str:
    variables = {"BASE": stack.base_url, "KEY": customer.api_key}
    done = subprocess.run(
        command, cwd=folder, env=os.environ | variables, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_curl_lines_answer(stack: LocalStack, demo: Customer, tmp_path: Path) -> None:
    require("curl", "sh")
    out = run(["sh", "-e", "-c", block(API, "sh")], tmp_path, stack, demo)
    for name in ("speech.mp3", "also.mp3"):
        assert (tmp_path / name).read_bytes()[:3] == b"ID3" or (tmp_path / name).read_bytes()[0] == 0xFF
    for part in ("data: [DONE]", '"url":"http', '"reference":"upload://upl_', '"object":"balance"'):
        assert part in out


@pytest.mark.parametrize("page", [README, API])
def test_the_python_snippets_answer(stack: LocalStack, demo: Customer, tmp_path: Path, page: str) -> None:
    shown = block(page, "python").replace("http://127.0.0.1:8000/v1", stack.base_url)
    out = run([sys.executable, "-c", shown.replace("sk-live-…", demo.api_key)], tmp_path, stack, demo)
    assert out.strip()


def test_the_javascript_snippet_answers(stack: LocalStack, demo: Customer, tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(node_modules("openai-7"))
    shown = block(API, "js").replace("http://127.0.0.1:8000/v1", stack.base_url)
    (tmp_path / "call.mjs").write_text(shown.replace("sk-live-…", demo.api_key))
    out = run(["node", "call.mjs"], tmp_path, stack, demo)
    assert re.search(r"hello MultiConnection\s+0\.0000\d+ USD$", out.strip())
