"""template.yaml as SAM translates it, in the interpreter of the SAM command line."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SAM_PYTHON = ROOT / ".tools/sam/bin/python"


def translations(variants: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The template that CloudFormation would get for each variant; `sam_translate` says what a variant may change."""
    done = subprocess.run(
        [SAM_PYTHON, ROOT / "tests/support/sam_translate.py"],
        input=json.dumps(variants),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "AWS_DEFAULT_REGION": "us-east-1", "SAM_CLI_TELEMETRY": "0"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found
