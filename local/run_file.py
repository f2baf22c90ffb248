"""run.json: base URL, key and people of the running stack, some of which the next run keeps."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.paths import RUN_FILE
from local.seed import DEMO_ACCOUNT


def remember(found: Mapping[str, Any]) -> None:
    write_private(RUN_FILE, json.dumps(found, indent=2))


def remembered() -> dict[str, Any]:
    """The contents of the last run's file; empty before the first run."""
    try:
        found: dict[str, Any] = json.loads(RUN_FILE.read_text())
    except (OSError, ValueError):
        return {}
    return found


def demo_account() -> str:
    """The account of the demo user, the default of the commands."""
    return str(remembered().get("account_id") or DEMO_ACCOUNT)


def write_private(path: Path, text: str) -> None:
    """Atomically, readable by this user only: the file may hold a working key or a password."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.touch(mode=0o600)
    temporary.write_text(text)
    temporary.replace(path)
