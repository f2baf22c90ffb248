"""Counts the files and functions that a request enters: `python -m tools.trace_calls [--list] [REQUEST …]`.

The requests are traced one after the other, in a world each and after all imports, over the in-memory deployment: what
a reader meets who follows one from the router to the tables and back. The chat is the first request of its process.
Comprehensions and generator expressions are not counted as functions.
"""

import argparse
import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import CodeType, FrameType

from tests.audience.scene import ORDER, bearer
from tests.corpus.calls import ANSWER, DONE, STOP, USAGE_CHUNK, stream
from tests.corpus.tape import Tape, tape
from tests.support.chat_world import MESSAGES
from tests.support.images_world import images
from tests.support.virtual_time import VirtualLoop
from tests.support.whole_world import Somebody

ROOT = Path(__file__).resolve().parent.parent
# At most so many files and functions: to be lowered whenever the code needs fewer.
FILES_MAX: Mapping[str, int] = {"chat": 45, "image": 40, "key": 26, "order": 29, "approval": 30}
FUNCTIONS_MAX: Mapping[str, int] = {"chat": 321, "key": 125}
_NO_FUNCTIONS = frozenset({"<module>", "<genexpr>", "<listcomp>", "<dictcomp>", "<setcomp>"})


@dataclass
class Trace:
    """The code of the package at `root` that was entered while it was running."""

    root: str
    entered: set[CodeType] = field(default_factory=set)

    @contextmanager
    def running(self) -> Iterator[None]:
        sys.setprofile(self._enter)
        try:
            yield
        finally:
            sys.setprofile(None)

    @property
    def files(self) -> list[str]:
        return sorted({code.co_filename.removeprefix(self.root) for code in self.entered})

    @property
    def functions(self) -> int:
        return sum(code.co_name not in _NO_FUNCTIONS for code in self.entered)

    def _enter(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(self.root):
            self.entered.add(frame.f_code)


async def chat(tape: Tape, trace: Trace) -> None:
    """A streamed chat, the first of its process."""
    key = await _key_of(tape, await tape.world.somebody("ada"))
    tape.replies(stream(*ANSWER, STOP, USAGE_CHUNK, DONE))
    await tape.world.client("chat")
    with trace.running():
        body = {"model": "m-1", "messages": MESSAGES, "stream": True}
        await tape.ask("key", "POST", "/v1/chat/completions", bearer(key), json=body)


async def image(tape: Tape, trace: Trace) -> None:
    """A generated image."""
    key = await _key_of(tape, await tape.world.somebody("ada"))
    tape.replies(images())
    await tape.world.client("images")
    with trace.running():
        body = {"model": "dall-e-3", "prompt": "A cat"}
        await tape.ask("key", "POST", "/v1/images/generations", bearer(key), json=body)


async def key(tape: Tape, trace: Trace) -> None:
    """An API key made in the console."""
    ada = await tape.world.somebody("ada")
    await tape.world.client("account")
    with trace.running():
        await tape.ask("ada", "POST", "/api/keys", ada.headers, json={"name": "laptop"})


async def order(tape: Tape, trace: Trace) -> None:
    """An order, until it waits for a decision."""
    ada = await tape.world.somebody("ada")
    await tape.world.client("account")
    with trace.running():
        await tape.ask("ada", "POST", "/api/orders", ada.headers, json=ORDER)
        await tape.settled()


async def approval(tape: Tape, trace: Trace) -> None:
    """An order's approval, with the credit and the notice that follow."""
    ada, root = await tape.world.somebody("ada"), await tape.world.somebody("root", groups=("admin",))
    made = await tape.ask("ada", "POST", "/api/orders", ada.headers, json=ORDER)
    await tape.settled()
    await tape.world.client("admin")
    with trace.running():
        body = {"amount": "100.00", "account_id": ada.account_id}
        await tape.ask("root", "POST", f"/api/admin/orders/{made['id']}/approve", root.headers, json=body)
        await tape.settled()


REQUESTS: Mapping[str, Callable[[Tape, Trace], Awaitable[None]]] = {
    each.__name__: each for each in (chat, image, key, order, approval)
}


async def _key_of(tape: Tape, who: Somebody) -> str:
    made = await tape.ask("ada", "POST", "/api/keys", who.headers, json={"name": "laptop"})
    return str(made["secret"])


@dataclass(frozen=True)
class Figures:
    files: list[str]
    functions: int


def traced(name: str) -> Figures:
    """In this process."""
    package = find_spec("multiconnection")
    assert package is not None
    assert package.origin is not None
    trace = Trace(str(Path(package.origin).parent) + "/")

    async def run() -> None:
        async with tape() as made:
            # Providers that can be switched off are no part of these figures.
            made.world.models.switched = None
            await REQUESTS[name](made, trace)
            statuses = [record["status"] for record in made.records if "status" in record]
            assert max(statuses) < 300, made.records

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(run())
    return Figures(trace.files, trace.functions)


def traced_afresh() -> dict[str, Figures]:
    """All requests, in a process that has answered nothing yet."""
    command = (sys.executable, "-m", "tools.trace_calls", "--json")
    ran = subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, check=True, capture_output=True)
    return {name: Figures(**found) for name, found in json.loads(ran.stdout).items()}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.trace_calls", description=__doc__)
    parser.add_argument("requests", nargs="*", metavar="REQUEST", help=f"of {', '.join(REQUESTS)}; all unless named")
    parser.add_argument("--list", action="store_true", help="the files, too")
    parser.add_argument("--json", action="store_true", help="files and functions for programs")
    given = parser.parse_args()
    found = {name: traced(name) for name in given.requests or REQUESTS}
    if given.json:
        print(json.dumps({name: asdict(each) for name, each in found.items()}))
        return
    for name, each in found.items():
        print(summary(name, each))
        if given.list:
            print("".join(f"  {file}\n" for file in each.files), end="")


def summary(name: str, found: Figures) -> str:
    files = f"{len(found.files)} files (at most {FILES_MAX[name]})"
    bound = f" (at most {FUNCTIONS_MAX[name]})" if name in FUNCTIONS_MAX else ""
    return f"{name}: {files}, {found.functions} functions{bound}"


if __name__ == "__main__":
    main()
