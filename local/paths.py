"""Paths of the state that the local stack keeps between runs."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCAL_DIR = Path(os.environ.get("MULTICONNECTION_LOCAL_DIR") or ROOT / ".local")
STATE_DIR = LOCAL_DIR / "state"
LOG_DIR = LOCAL_DIR / "logs"
# Base URL, key and people of the stack, for persons and tests; written when it is ready.
RUN_FILE = LOCAL_DIR / "run.json"
# The functions' environment, for the commands of `python -m local`.
STACK_FILE = LOCAL_DIR / "stack.json"
TEMPLATE = ROOT / "template.yaml"
MINISTACK = ROOT / ".tools" / "ministack" / "bin" / "ministack"
