"""The running local stack: children started in order, watched, and stopped in reverse."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from local.environment import REGION, child_environment, function_environment
from local.ministack import MiniStack
from local.paths import LOG_DIR, MINISTACK, ROOT, STACK_FILE, STATE_DIR, TEMPLATE
from local.processes import HOST, Child, free_port
from local.resources import clients, create
from local.template import load

DEFAULT_PORT = 8000
READY_S = 60.0
# A gateway that dies at once again and again is not restarted for ever.
RESTARTS_MAX = 20


@dataclass(slots=True)
class Stack:
    """Started by `start_*` in this order; `stop` undoes whatever was started."""

    port: int
    ministack: MiniStack = field(default_factory=lambda: MiniStack(MINISTACK, STATE_DIR, region=REGION))
    environment: dict[str, str] = field(default_factory=dict)
    queue_urls: dict[str, str] = field(default_factory=dict)
    demo: Child | None = None
    gateway: Child | None = None
    schedules: Child | None = None
    restarts: int = 0

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def start_aws(self) -> None:
        """MiniStack with its state of the last run, and every stateful resource of the template."""
        self.ministack.start()
        template = load(TEMPLATE)
        names = create(template, clients(self.ministack.endpoint_url, REGION))
        self.queue_urls = {spec.logical_id: names[spec.logical_id] for spec in template.queues()}
        self.environment = function_environment(template, names, self.ministack.endpoint_url)
        write_private(STACK_FILE, json.dumps(self.environment, indent=2))

    def start_demo_upstream(self) -> None:
        port = free_port()
        self.demo = _start("demo-upstream", ["-m", "local.demo_upstream", "--port", str(port)], {})
        self.demo.wait_ready(lambda: answers(f"http://{HOST}:{port}/v1/models"), READY_S)
        self.environment["DEMO_BASE_URL"] = f"http://{HOST}:{port}/v1"

    def start_gateway(self) -> None:
        self.gateway = _start("gateway", ["-m", "local.serve", "--port", str(self.port)], self.environment)
        self.gateway.wait_ready(lambda: answers(f"{self.url}/api/models"), READY_S)

    def start_schedules(self) -> None:
        urls = {"LOCAL_QUEUE_URLS": json.dumps(self.queue_urls)}
        self.schedules = _start("schedules", ["-m", "local.schedules"], self.environment | urls)

    def revive(self) -> list[str]:
        """Start again what died; returns the names. Raises ChildFailed when that does not help."""
        revived = []
        if self.gateway is not None and self.gateway.exit_code is not None and self.restarts < RESTARTS_MAX:
            self.start_gateway()
            revived.append("gateway")
        if self.schedules is not None and self.schedules.exit_code is not None and self.restarts < RESTARTS_MAX:
            self.start_schedules()
            revived.append("schedules")
        self.restarts += len(revived)
        return revived

    def stop(self) -> None:
        for child in (self.schedules, self.gateway, self.demo):
            if child is not None:
                child.stop()
        self.ministack.stop()


def _start(name: str, arguments: list[str], variables: Mapping[str, str]) -> Child:
    LOG_DIR.mkdir(parents=True, exist_ok=True)
    return Child.start(
        name,
        [sys.executable, *arguments],
        env=child_environment(variables),
        cwd=ROOT,
        log_path=LOG_DIR / f"{name}.log",
    )


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def write_private(path: Path, text: str) -> None:
    """Atomically, readable by this user only: the file may hold a working key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.touch(mode=0o600)
    temporary.write_text(text)
    temporary.replace(path)


def port_wanted() -> tuple[int, bool]:
    """PORT, or 8000; and whether the user asked for it."""
    asked = os.environ.get("PORT")
    return (int(asked), True) if asked and asked.isdecimal() else (DEFAULT_PORT, False)
