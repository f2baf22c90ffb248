"""The running local stack: children started in order, watched, and stopped in reverse."""

import json
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from local.aws import client, local_aws
from local.demo_people import DemoPeople, ensure_demo_people
from local.environment import child_environment, function_environment, local_parameters
from local.metrics import metric_filters
from local.metrics_feed import MetricsFeed
from local.ministack import MiniStack
from local.notices import ensure_sender
from local.paths import LOG_DIR, ROOT, STACK_FILE, TEMPLATE
from local.processes import HOST, Child, free_port
from local.provision import provision
from local.run_file import write_private
from local.template import load

DEFAULT_PORT = 8000
# The mail page's is this much higher than the gateway's, where that is free.
MAIL_PORT_OFFSET = 25
PORT_MAX = 65_535
READY_S = 60.0
# A gateway that dies at once again and again is not restarted for ever.
RESTARTS_MAX = 20


@dataclass(slots=True)
class Stack:
    """Started by `start_*` in this order; `stop` undoes whatever was started."""

    port: int
    ministack: MiniStack = field(default_factory=local_aws)
    environment: dict[str, str] = field(default_factory=dict)
    queue_urls: dict[str, str] = field(default_factory=dict)
    demo: Child | None = None
    gateway: Child | None = None
    workers: Child | None = None
    mailbox: Child | None = None
    mail_port: int = 0
    metrics: MetricsFeed | None = None
    # Ours, so that it is the same one however often the workers are started; state machines know its address.
    invocations: socket.socket = field(default_factory=lambda: socket.create_server((HOST, 0)))
    restarts: int = 0

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def mail_url(self) -> str:
        return f"http://{HOST}:{self.mail_port}/"

    def start_aws(self) -> None:
        """MiniStack with its state of the last run, and every stateful resource of the template."""
        self.ministack.start()
        template, endpoint_url = load(TEMPLATE), self.ministack.endpoint_url
        workers_url = f"http://{HOST}:{self.invocations.getsockname()[1]}"
        names = provision(template, endpoint_url, workers_url, local_parameters(template))
        self.queue_urls = {spec.logical_id: names[spec.logical_id] for spec in template.queues()}
        self.environment = function_environment(template, names, endpoint_url)
        ensure_sender(client("sesv2", endpoint_url), self.environment["NOTICE_SENDER"])
        self._keep_environment()

    def people(self, remembered: Mapping[str, Any]) -> DemoPeople:
        """The demo people, with the passwords of the last run."""
        cognito = client("cognito-idp", self.ministack.endpoint_url)
        return ensure_demo_people(cognito, self.environment["USER_POOL_ID"], remembered)

    def start_demo_upstream(self) -> None:
        port = free_port()
        self.demo = _start("demo-upstream", ["-m", "local.demo_upstream", "--port", str(port)], {})
        self.demo.wait_ready(lambda: answers(f"http://{HOST}:{port}/v1/models"), READY_S)
        self.environment["DEMO_BASE_URL"] = f"http://{HOST}:{port}/v1"
        self._keep_environment()

    def start_gateway(self) -> None:
        self.gateway = _start("gateway", ["-m", "local.serve", "--port", str(self.port)], self.environment)
        self.gateway.wait_ready(lambda: answers(f"{self.url}/api/models"), READY_S)

    def start_workers(self) -> None:
        urls, listening = {"LOCAL_QUEUE_URLS": json.dumps(self.queue_urls)}, self.invocations.fileno()
        arguments = ["-m", "local.workers", "--listening", str(listening)]
        self.workers = _start("workers", arguments, self.environment | urls, [listening])

    def start_metrics(self) -> None:
        """After the workers and the gateway, whose logs of the last run are gone then."""
        template, endpoint_url = load(TEMPLATE), self.ministack.endpoint_url
        filters = metric_filters(template, template.known({}, local_parameters(template)))
        logs = [_log_path("gateway"), _log_path("workers")]
        self.metrics = MetricsFeed(logs, filters, lambda: client("cloudwatch", endpoint_url))
        self.metrics.start()

    def start_mailbox(self) -> None:
        self.mail_port = self.mail_port or free_port(min(self.port + MAIL_PORT_OFFSET, PORT_MAX))
        self.mailbox = start_mailbox(self.mail_port, self.ministack.endpoint_url)

    def await_mailbox(self) -> None:
        """Started before the gateway, ready soon after it."""
        if self.mailbox is not None:
            self.mailbox.wait_ready(lambda: answers(self.mail_url), READY_S)

    def revive(self) -> list[str]:
        """Start again what died; returns the names. Raises ChildFailed when that does not help."""
        started = (
            ("gateway", self.gateway, self.start_gateway),
            ("workers", self.workers, self.start_workers),
            ("mailbox", self.mailbox, self.start_mailbox),
        )
        revived = []
        for name, child, start in started:
            if child is not None and child.exit_code is not None and self.restarts < RESTARTS_MAX:
                start()
                revived.append(name)
        self.restarts += len(revived)
        return revived

    def stop(self) -> None:
        for child in (self.workers, self.gateway, self.mailbox, self.demo):
            if child is not None:
                child.stop()
        if self.metrics is not None:
            self.metrics.stop()
        self.ministack.stop()
        self.invocations.close()

    def _keep_environment(self) -> None:
        """For the commands, which connect to the running stack."""
        write_private(STACK_FILE, json.dumps(self.environment, indent=2))


def start_mailbox(port: int, endpoint_url: str) -> Child:
    """Not waited for: nothing needs it before a person looks."""
    return _start("mailbox", ["-m", "local.mailbox", "--port", str(port), "--endpoint", endpoint_url], {})


def _start(name: str, arguments: list[str], variables: Mapping[str, str], pass_fds: Sequence[int] = ()) -> Child:
    LOG_DIR.mkdir(parents=True, exist_ok=True)
    return Child.start(
        name,
        [sys.executable, *arguments],
        env=child_environment(variables),
        cwd=ROOT,
        log_path=_log_path(name),
        pass_fds=pass_fds,
    )


def _log_path(name: str) -> Path:
    return LOG_DIR / f"{name}.log"


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def port_wanted() -> tuple[int, bool]:
    """PORT, or 8000; and whether the user asked for it."""
    asked = os.environ.get("PORT")
    return (int(asked), True) if asked and asked.isdecimal() else (DEFAULT_PORT, False)
