"""`make deploy-local`: build, deploy onto a local AWS, print how to call it, keep it until Ctrl-C or SIGTERM."""

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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from local.demo_people import DemoPeople, ensure_demo_people
from local.environment import adopt
from local.ministack import MiniStack, StateInUse
from local.paths import LOCAL_DIR
from local.processes import HOST, ChildFailed, free_port
from local.run_file import write_private
from local.seed import seed_catalog, seed_demo_account, working_key
from local.stack import start_mailbox
from multiconnection.bootstrap.workers import Workers, build_workers
from multiconnection.config import Settings
from tools.emulator.deployment import STACK, Deployment, build, deploy, emulated_aws
from tools.packaging.target import BuildError

FOLDER = LOCAL_DIR / "deploy"
RUN_FILE = FOLDER / "run.json"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Emulated:
    """A deployment with the key and the users to call it."""

    deployment: Deployment
    api_key: str
    people: DemoPeople


def main() -> int:
    """Exit code 0 after Ctrl-C or SIGTERM, 1 when it could not be built or deployed."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    try:
        with _fresh_folder() as folder, emulated_aws(folder / "state") as aws:
            emulated = _start(aws, folder / "build")
            with _mail_page(aws.endpoint_url) as mail_url:
                _remember(emulated, mail_url)
                print(_banner(emulated, mail_url), flush=True)
                stopped.wait()
            print("Stopping and removing the emulated stack …", flush=True)
    except (BuildError, ChildFailed, StateInUse) as exc:
        print(f"\nThe local deployment failed: {exc}", file=sys.stderr, flush=True)
        return 1
    finally:
        RUN_FILE.unlink(missing_ok=True)
    return 0


@contextmanager
def _mail_page(endpoint_url: str) -> Iterator[str]:
    """Serve the mail page; yields its address."""
    port = free_port()
    child = start_mailbox(port, endpoint_url)
    try:
        yield f"http://{HOST}:{port}/"
    finally:
        child.stop()


@contextmanager
def _fresh_folder() -> Iterator[Path]:
    """A folder of this run alone: each deployment starts from nothing."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="run-", dir=FOLDER) as folder:
        yield Path(folder)


def _start(aws: MiniStack, build_dir: Path) -> Emulated:
    sizes = _step("sam build, for this machine", lambda: build(build_dir, os.environ))
    print(f"    {sizes.splitlines()[-1]}", flush=True)
    deployment = _step("sam deploy of template.yaml onto the local AWS", lambda: deploy(aws, build_dir))
    workers = build_workers(Settings.of(adopt(deployment.environment)))
    people = _step("demo user, demo admin", lambda: demo_people(deployment))
    api_key = _step("catalog, demo account, key", lambda: asyncio.run(seed(workers, people.account_id)))
    return Emulated(deployment, api_key, people)


def demo_people(deployment: Deployment) -> DemoPeople:
    return ensure_demo_people(deployment.client("cognito-idp"), deployment.resources["UserPool"], {})


async def seed(workers: Workers, account_id: str) -> str:
    """Publish the catalog file; returns a working key of an account with credit."""
    await seed_catalog(workers, {})
    await seed_demo_account(workers, account_id)
    return await working_key(workers, None, account_id)


def _remember(emulated: Emulated, mail_url: str) -> None:
    deployment, people = emulated.deployment, emulated.people
    found = {
        "base_url": f"{deployment.stage_url}/v1",
        "api_key": emulated.api_key,
        "account_id": people.account_id,
        "console_url": f"{deployment.page_url}/console",
        "demo_user": asdict(people.user),
        "demo_admin": asdict(people.admin),
        "mail_url": mail_url,
        "endpoint_url": deployment.endpoint_url,
        "stack": STACK,
    }
    write_private(RUN_FILE, json.dumps(found, indent=2))


def _banner(emulated: Emulated, mail_url: str) -> str:
    deployment, people = emulated.deployment, emulated.people
    url, authorization = f"{deployment.stage_url}/v1", f'-H "Authorization: Bearer {emulated.api_key}"'
    return f"""
template.yaml is deployed on the local AWS.

  Base URL   {url}
  API key    {emulated.api_key}
  Pages      {deployment.page_url}/
    user     {people.user.email}  {people.user.password}
    admin    {people.admin.email}  {people.admin.password}
  Mail       {mail_url}
  AWS        {deployment.endpoint_url} (stack {STACK})

curl {url}/models {authorization}
curl {url}/balance {authorization}

The emulated API Gateway does not stream: /chat/completions returns 500 here; use `make run` for it. It also reports
https although it serves http, so /api/auth accepts only an https Origin: sign in from a program, or at `make run`.
{_left_out(deployment)}Ctrl-C stops everything and removes it; each `make deploy-local` starts from nothing.
"""


def _left_out(deployment: Deployment) -> str:
    names = ", ".join(deployment.left_out)
    return f"The emulated CloudFormation cannot create these, so they are left out: {names}.\n" if names else ""


def _step(name: str, work: Callable[[], T]) -> T:
    print(f"  … {name}", end="", flush=True)
    began = time.monotonic()
    result = work()
    print(f"\r  ✓ {name} ({time.monotonic() - began:.1f} s)", flush=True)
    return result


if __name__ == "__main__":
    sys.exit(main())
