"""Profiles the gateway's CPU: `python -m benchmarks.profile_gateway call|stream|…`, microseconds per request.

The gateway runs in this process under a sampling profiler, which costs it little; time inside C code (JSON, hashes,
sockets) is shown at the Python function that called it.
"""

import argparse
import asyncio
import contextlib
import os
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import CodeType

import uvicorn
import uvloop

from benchmarks.asked import OTHERS
from benchmarks.load import Job
from benchmarks.load_process import LoadProcess, load_process
from benchmarks.sampler import Sampler, label, package
from benchmarks.server import config
from benchmarks.world import READY_S, World, world
from local.gateway import LocalGateway
from local.paths import TEMPLATE
from local.processes import HOST, free_port
from local.serve import function_app
from local.template import load as load_template

TOP = 40
REQUESTS = {"call": 4000, "stream": 400, "embedding": 2000, "speech": 300, "transcription": 100, "image": 20}
WARM_UP = 0.05


@dataclass(frozen=True, slots=True)
class Profile:
    """`cpu_s` is the whole process's over all `requests`."""

    sampler: Sampler
    cpu_s: float
    requests: int

    def text(self, top: int) -> str:
        each = self.cpu_s / self.requests
        lines = [f"{each * 1e6:.0f} us of CPU per request ({self.requests} requests, {self.sampler.samples} samples)"]
        own, within = self.sampler.own, self.sampler.within
        packages: Counter[str] = Counter()
        for code, number in own.items():
            packages[package(code)] += number
        lines += self._table("own time by package", packages, top)
        lines += self._table("own time", _labelled(own), top)
        lines += self._table("with all they call", _labelled(within), top)
        return "\n".join(lines)

    def _table(self, title: str, counts: Counter[str], top: int) -> list[str]:
        us = self.cpu_s / self.requests / max(1, self.sampler.samples) * 1e6
        rows = (f"{number * us:>10.1f}  {name}" for name, number in counts.most_common(top))
        return ["", f"{'us/request':>10}  {title}", *rows]


def _labelled(counts: Counter[CodeType]) -> Counter[str]:
    return Counter({label(code): number for code, number in counts.items()})


class Server(uvicorn.Server):
    """Reports when it listens and ends on request: signals belong to the profiler's process."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def profiled(app: LocalGateway, job: Job, load: LoadProcess) -> Profile:
    """Serve the app here while the load generator, a process of its own, calls it."""
    port = free_port()
    server = Server(config(app, port))
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(READY_S):
        await server.listening.wait()
    job = replace(job, base_url=f"http://{HOST}:{port}/v1")
    await asyncio.to_thread(load.run, replace(job, requests=max(1, int(WARM_UP * job.requests))))
    sampler = Sampler()
    began = time.process_time()
    with sampler.running():
        await asyncio.to_thread(load.run, job)
    spent = time.process_time() - began
    server.should_exit = True
    await serving
    return Profile(sampler, spent, job.requests)


def gateway_app(around: World) -> LocalGateway:
    """The app of local/serve.py, in this process."""
    os.environ.update(around.environment)
    template = load_template(TEMPLATE)
    functions, routes = template.functions(), template.routes()
    apps = {name: function_app(functions[name]) for name in sorted({route.function for route in routes})}
    return LocalGateway(routes, apps, template.gateway_responses())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile_gateway", description=__doc__)
    parser.add_argument("what", choices=sorted(REQUESTS))
    parser.add_argument("--requests", type=int, help="default: 4000 calls, 400 streams, fewer of what is large")
    parser.add_argument("--include-usage", action="store_true")
    parser.add_argument("--delay-ms", type=int, default=0, help="the upstream's pause between two chunks")
    parser.add_argument("--top", type=int, default=TOP)
    options = parser.parse_args()
    with world() as around, load_process() as load, contextlib.closing(uvloop.new_event_loop()) as loop:
        job = Job(
            "",
            around.api_key,
            options.requests or REQUESTS[options.what],
            stream=options.what == "stream",
            include_usage=options.include_usage,
            delay_ms=options.delay_ms,
            kind=options.what if options.what in OTHERS else "chat",
        )
        print(loop.run_until_complete(profiled(gateway_app(around), job, load)).text(options.top))


if __name__ == "__main__":
    main()
