"""run.json: what a person or a test needs to use the running stack, and what the next run takes from this one."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.paths import RUN_FILE
from local.seed import DEMO_ACCOUNT


def remember(found: Mapping[str, Any]) -> None:
    write_private(RUN_FILE, json.dumps(found, indent=2))


def remembered() -> dict[str, Any]:
    """Of the last run; empty before the first one."""
    try:
        found: dict[str, Any] = json.loads(RUN_FILE.read_text())
    except (OSError, ValueError):
        return {}
    return found


def demo_account() -> str:
    """The account of the demo user, which the commands mean where none is named."""
    return str(remembered().get("account_id") or DEMO_ACCOUNT)


def write_private(path: Path, text: str) -> None:
    """Atomically, readable by this user only: the file may hold a working key or a password."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.touch(mode=0o600)
    temporary.write_text(text)
    temporary.replace(path)
