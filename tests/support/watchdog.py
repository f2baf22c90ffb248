"""How long others wait, and how much memory the process takes, while one request is served.

`measured` runs in a process of its own, so that neither the tests' memory nor their garbage is in the figures.
"""

import asyncio
import gc
import json
import subprocess
import sys
import time
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from tests.support.chat_app import ChatApp
from tests.support.chat_world import ChatWorld, a_model

T = TypeVar("T")
# A busy machine slows the processor down for everybody: what is slow in one of the tries only is its doing.
TRIES_MIN, TRIES_MAX = 2, 6
QUIET_S = 0.1
MB = 1_000_000
STATUS = Path("/proc/self/status")
NO_LIMITS = {
    name: str(10**9) for name in ("ACCOUNT_TOKENS_PER_MINUTE", "ACCOUNT_REQUESTS_PER_MINUTE", "IP_REQUESTS_PER_MINUTE")
}
# Windows that no body fills, so that every body is counted to its end.
MODELS = [
    a_model(context_window=10**9, capabilities=["streaming", "completions"]),
    a_model(id="embedding", code="m02", aliases=[], kind="embedding", prices={"input": "1000"}),
]


@dataclass(frozen=True, slots=True)
class Served:
    """One body served, in the best of a few tries.

    `wait_ms` is the longest request of another caller meanwhile and `gap_ms` the longest time between two turns of the
    loop, both in CPU time of the process: what else the machine does is not in them. `growth_mb` is the peak of the
    process above what it had with the body in it.
    """

    status: int
    body_mb: float
    wait_ms: float
    gap_ms: float
    growth_mb: float


class Watchdog:
    """The longest time between two turns of the loop while the block runs."""

    def __init__(self) -> None:
        self.gap_s = 0.0

    async def __aenter__(self) -> "Watchdog":
        self._task = asyncio.ensure_future(self._watch())
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.sleep(0.001)
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _watch(self) -> None:
        before = time.process_time()
        while True:
            await asyncio.sleep(0.0005)
            now = time.process_time()
            self.gap_s, before = max(self.gap_s, now - before), now


async def longest_wait_s(app: ChatApp, busy: Awaitable[T]) -> tuple[T, float]:
    """The longest chat of another caller while `busy` is served."""
    task, longest = asyncio.ensure_future(busy), 0.0
    while not task.done():
        began = time.process_time()
        answer = await app.chat()
        assert answer.status_code == 200
        longest = max(longest, time.process_time() - began)
    return task.result(), longest


def measured(module: str, name: str) -> Served:
    """`CASES[name]` of `module`, a path and the bytes of a JSON body, served in a new process."""
    code = f"from tests.support.watchdog import main; from {module} import CASES; main(*CASES[{name!r}]())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return Served(**json.loads(done.stdout.splitlines()[-1]))


def main(path: str, content: bytes) -> None:
    """Print what `measured` returns."""
    print(json.dumps(asdict(asyncio.run(_served(path, content)))))


async def _served(path: str, content: bytes) -> Served:
    wait_s = gap_s = growth = float("inf")
    async with ChatApp(ChatWorld(*MODELS, environment=NO_LIMITS)) as app:
        headers = {"authorization": f"Bearer {app.secret}", "content-type": "application/json"}
        await app.send(path, model="m-1", unknown="\u00bd")
        for tries in range(TRIES_MAX):
            if tries >= TRIES_MIN and max(wait_s, gap_s) <= QUIET_S:
                break
            gc.collect()
            before = _forget_peak()
            async with Watchdog() as dog:
                answer, waited_s = await longest_wait_s(app, app.http.post(path, content=content, headers=headers))
            wait_s, gap_s = min(wait_s, waited_s), min(gap_s, dog.gap_s)
            growth = min(growth, _kilobytes("VmHWM") - before)
    return Served(answer.status_code, len(content) / MB, wait_s * 1000, gap_s * 1000, growth * 1024 / MB)


def _forget_peak() -> int:
    Path("/proc/self/clear_refs").write_text("5")
    return _kilobytes("VmRSS")


def _kilobytes(name: str) -> int:
    return next(int(line.split()[1]) for line in STATUS.read_text().splitlines() if line.startswith(name))
