"""`make run`: start everything, say how to call it, keep it running until Ctrl-C or SIGTERM."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from local.banner import CURL_MODEL, Ready, banner, in_run_file
from local.demo_people import DemoPeople
from local.environment import adopt
from local.ministack import StateInUse
from local.processes import ChildFailed, free_port
from local.run_file import remember, remembered
from local.seed import seed_catalog, seed_demo_account, working_key
from local.stack import Stack, answers, port_wanted
from local.upstream_models import UpstreamUnreadable
from multiconnection.bootstrap.workers import Workers, build_workers
from multiconnection.catalog.providers import configured_providers
from multiconnection.config import Settings

WATCH_S = 0.5


def run() -> int:
    """Exit code 0 after an asked-for stop, 1 when the stack could not start or could not be kept up."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    if running := running_base_url():
        print(f"The local stack is running already: {running}", flush=True)
        return 1
    stack = Stack(_free_port_or_next())
    try:
        ready = _start(stack)
        print(banner(ready), flush=True)
        _watch(stack, ready, stopped)
    except (ChildFailed, StateInUse, UpstreamUnreadable) as exc:
        print(f"\nThe local stack could not run: {exc}", flush=True)
        return 1
    finally:
        print("Stopping: ending calls, saving state …", flush=True)
        stack.stop()
    return 0


def _start(stack: Stack) -> Ready:
    _step("local AWS", stack.start_aws)
    if not _real_providers(stack):
        _step("demo upstream", stack.start_demo_upstream)
    settings = Settings.of(adopt(stack.environment))
    workers = build_workers(settings)
    people = _step("demo user, demo admin", lambda: stack.people(remembered()))
    api_key = _step("catalog, demo account, key", lambda: asyncio.run(_seed(workers, settings, people.account_id)))
    stack.start_workers()
    stack.start_mailbox()
    _step("gateway", stack.start_gateway)
    stack.start_metrics()
    _step("mail page", stack.await_mailbox)
    ready = _ready(stack, settings, api_key, people, asyncio.run(_first_model(workers)))
    remember(in_run_file(ready) | {"pids": _pids(stack)})
    return ready


def _ready(stack: Stack, settings: Settings, api_key: str, people: DemoPeople, model: str) -> Ready:
    return Ready(
        url=stack.url,
        api_key=api_key,
        model=model,
        upstreams=", ".join(sorted(configured_providers(settings))),
        people=people,
        mail_url=stack.mail_url,
    )


async def _seed(workers: Workers, settings: Settings, account_id: str) -> str:
    await seed_catalog(workers, settings.environment)
    await seed_demo_account(workers, account_id)
    return await working_key(workers, remembered().get("api_key"), account_id)


async def _first_model(workers: Workers) -> str:
    """The reference text's model where it is served, else the first chat model that is."""
    served = [model.id for model in await workers.models.served() if model.kind == "chat"]
    return CURL_MODEL if CURL_MODEL in served or not served else served[0]


def _watch(stack: Stack, ready: Ready, stopped: threading.Event) -> None:
    while not stopped.wait(WATCH_S):
        revived = stack.revive()
        if revived:
            print(f"{', '.join(revived)} had died and was started again; calls in flight are swept later", flush=True)
            remember(in_run_file(ready) | {"pids": _pids(stack)})


def _pids(stack: Stack) -> dict[str, int | None]:
    return {"supervisor": os.getpid(), "gateway": stack.gateway.pid if stack.gateway else None}


def running_base_url() -> str | None:
    """The base URL of a stack on the same state that still answers."""
    base_url = remembered().get("base_url")
    return base_url if base_url and answers(f"{base_url.removesuffix('/v1')}/api/models") else None


def _real_providers(stack: Stack) -> bool:
    return bool(configured_providers(Settings.of({**os.environ, **stack.environment})))


def _free_port_or_next() -> int:
    wanted, asked = port_wanted()
    port = free_port(wanted)
    if port != wanted:
        whose = "PORT" if asked else "the default port"
        print(f"{whose} {wanted} is in use; using {port}", flush=True)
    return port


def _step(name: str, work: Callable[[], Any]) -> Any:
    print(f"  … {name}", end="", flush=True)
    began = time.monotonic()
    result = work()
    print(f"\r  ✓ {name} ({time.monotonic() - began:.1f} s)", flush=True)
    return result
