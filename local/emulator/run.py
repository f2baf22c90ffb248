"""`make deploy-local`: build, deploy onto a local AWS, say how to call it, keep it until Ctrl-C or SIGTERM."""

import asyncio
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from local.emulator.aws import emulated_aws
from local.emulator.deployment import STACK, Deployment, build, deploy
from local.environment import adopt
from local.ministack import MiniStack, StateInUse
from local.packaging.target import BuildError
from local.paths import LOCAL_DIR
from local.processes import ChildFailed
from local.seed import seed_catalog, seed_demo_account, working_key
from local.stack import write_private
from multiconnection.bootstrap import Workers, build_workers
from multiconnection.config import Settings

FOLDER = LOCAL_DIR / "deploy"
RUN_FILE = FOLDER / "run.json"
T = TypeVar("T")


def main() -> int:
    """Exit code 0 after an asked-for stop, 1 when it could not be built or deployed."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    try:
        with _fresh_folder() as folder, emulated_aws(folder / "state") as aws:
            deployment, api_key = _start(aws, folder / "build")
            _remember(deployment, api_key)
            print(_banner(deployment, api_key), flush=True)
            stopped.wait()
            print("Stopping and removing the emulated stack …", flush=True)
    except (BuildError, ChildFailed, StateInUse) as exc:
        print(f"\nThe local deployment failed: {exc}", file=sys.stderr, flush=True)
        return 1
    finally:
        RUN_FILE.unlink(missing_ok=True)
    return 0


@contextmanager
def _fresh_folder() -> Iterator[Path]:
    """Of this run alone: a deployment that starts from nothing each time proves that it can."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="run-", dir=FOLDER) as folder:
        yield Path(folder)


def _start(aws: MiniStack, build_dir: Path) -> tuple[Deployment, str]:
    sizes = _step("sam build, for this machine", lambda: build(build_dir, os.environ))
    print(f"    {sizes.splitlines()[-1]}", flush=True)
    deployment = _step("sam deploy of template.yaml onto the local AWS", lambda: deploy(aws, build_dir))
    workers = build_workers(Settings.of(adopt(deployment.environment)))
    return deployment, _step("catalog, demo account, key", lambda: asyncio.run(seed(workers)))


async def seed(workers: Workers) -> str:
    """A key that works, of an account with credit; the models of the catalog file."""
    await seed_catalog(workers, {})
    await seed_demo_account(workers)
    return await working_key(workers, None)


def _remember(deployment: Deployment, api_key: str) -> None:
    found = {
        "base_url": f"{deployment.stage_url}/v1",
        "api_key": api_key,
        "endpoint_url": deployment.endpoint_url,
        "stack": STACK,
    }
    write_private(RUN_FILE, json.dumps(found, indent=2))


def _banner(deployment: Deployment, api_key: str) -> str:
    url = f"{deployment.stage_url}/v1"
    return f"""
template.yaml is deployed on the local AWS.

  Base URL   {url}
  API key    {api_key}
  AWS        {deployment.endpoint_url} (stack {STACK})

curl {url}/models -H "Authorization: Bearer {api_key}"
curl {url}/balance -H "Authorization: Bearer {api_key}"

The emulated API Gateway does not stream: /chat/completions answers 500 here, `make run` serves it.
{_left_out(deployment)}Ctrl-C stops everything and removes it; each `make deploy-local` starts from nothing.
"""


def _left_out(deployment: Deployment) -> str:
    names = ", ".join(deployment.left_out)
    return f"The emulated CloudFormation cannot make these, so they are left out: {names}.\n" if names else ""


def _step(name: str, work: Callable[[], T]) -> T:
    print(f"  … {name}", end="", flush=True)
    began = time.monotonic()
    result = work()
    print(f"\r  ✓ {name} ({time.monotonic() - began:.1f} s)", flush=True)
    return result


if __name__ == "__main__":
    sys.exit(main())
