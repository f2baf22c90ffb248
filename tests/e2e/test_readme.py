"""What the README shows works as it stands there, key and address aside."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.support.customers import Customer
from tests.e2e.support.stack import ROOT, LocalStack
from tests.support.needs import require

README = (ROOT / "README.md").read_text()
TIMEOUT_S = 60


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def run(command: list[str], folder: Path, stack: LocalStack, customer: Customer) -> str:
    variables = {"BASE": stack.base_url, "KEY": customer.api_key}
    done = subprocess.run(
        command, cwd=folder, env=os.environ | variables, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_curl_lines_answer(stack: LocalStack, demo: Customer, tmp_path: Path) -> None:
    require("curl", "sh")
    [shown] = [block for block in blocks("sh") if "audio/speech" in block]
    out = run(["sh", "-e", "-c", shown], tmp_path, stack, demo)
    for name in ("speech.mp3", "also.mp3"):
        assert (tmp_path / name).read_bytes()[:3] == b"ID3" or (tmp_path / name).read_bytes()[0] == 0xFF
    assert '"url":"http' in out
    assert '"reference":"upload://upl_' in out


@pytest.mark.parametrize("index", [0, 1])
def test_the_python_snippets_answer(stack: LocalStack, demo: Customer, tmp_path: Path, index: int) -> None:
    shown = blocks("python")[index].replace("http://127.0.0.1:8000/v1", stack.base_url)
    out = run([sys.executable, "-c", shown.replace("sk-live-…", demo.api_key)], tmp_path, stack, demo)
    assert out.strip()
