"""One execution environment of Lambda: the adapter as an extension, the function behind it, both freezable."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from local.processes import HOST, Child, free_port

from .fake_lambda import CREDENTIALS, CREDENTIALS_TOKEN, FUNCTION_TIMEOUT_S, FakeLambda
from .function_code import FunctionCode
from .invocation import Answer, Invocation

START_S = 60.0
ANSWER_S = 60.0
_WATCH_S = 0.25
# /opt/bootstrap of the adapter's layer, to the letter: Lambda's AWS_LAMBDA_EXEC_WRAPPER.
BOOTSTRAP = '#!/bin/bash\n\nexec -- "${LAMBDA_TASK_ROOT}/${_HANDLER}"'


NewSandbox = Callable[..., Awaitable["Sandbox"]]


class SandboxFailed(RuntimeError):
    """A process ended or did not answer; the message ends with the processes' last lines."""


@dataclass(slots=True)
class Sandbox:
    """`start`, `invoke` as often as wanted, `stop`; an invocation thaws what is frozen, as Lambda does."""

    code: FunctionCode
    adapter_path: Path
    folder: Path
    variables: Mapping[str, str]
    snap_start: bool = False
    runtime: FakeLambda = field(default_factory=FakeLambda)
    children: list[Child] = field(default_factory=list)

    async def start(self) -> None:
        """Returns when the runtime asks for its first invocation. Raises SandboxFailed."""
        await self.runtime.start()
        self.folder.mkdir(parents=True, exist_ok=True)
        bootstrap = _script(self.folder / "opt" / "bootstrap", BOOTSTRAP)
        environment = self._environment()
        for name, command in (("adapter", self.adapter_path), ("function", bootstrap)):
            log = self.folder / f"{name}.log"
            self.children.append(
                Child.start(name, [str(command)], env=environment, cwd=self.code.task_root, log_path=log)
            )
        await self._watched(self.runtime.initialised(), START_S)

    async def stop(self) -> None:
        self.thaw()
        for child in self.children:
            child.stop()
        await self.runtime.stop()

    @property
    def function(self) -> psutil.Process:
        """The server process itself: wrapper and run.sh replace themselves."""
        return psutil.Process(self.children[1].pid)

    def begin(self, event: Mapping[str, Any], timeout_s: float = FUNCTION_TIMEOUT_S) -> Invocation:
        self.thaw()
        return self.runtime.begin(event, timeout_s)

    async def finish(self, invocation: Invocation) -> Answer:
        """Wait for the end of the response. Raises SandboxFailed."""
        await self._watched(invocation.until(lambda one: one.ended_s is not None), ANSWER_S)
        return invocation.answer()

    async def invoke(self, event: Mapping[str, Any], timeout_s: float = FUNCTION_TIMEOUT_S) -> Answer:
        return await self.finish(self.begin(event, timeout_s))

    @contextmanager
    def freezing(self) -> Iterator[None]:
        """Freeze the moment a response is complete, before the runtime hears that it is."""
        self.runtime.on_complete = lambda _: self.freeze()
        try:
            yield
        finally:
            self.runtime.on_complete = None
            self.thaw()

    def freeze(self) -> None:
        """Returns when nothing of it runs any more."""
        self._signal(signal.SIGSTOP)
        for child in self.children:
            os.waitid(os.P_PID, child.pid, os.WSTOPPED)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def is_frozen(self) -> bool:
        return all(psutil.Process(child.pid).status() == psutil.STATUS_STOPPED for child in self.children)

    def tail(self) -> str:
        return "".join(f"--- {child.name}\n{child.tail()}" for child in self.children)

    def _signal(self, number: signal.Signals) -> None:
        for child in self.children:
            if child.exit_code is None:
                os.killpg(child.pid, number)

    async def _watched(self, work: Coroutine[Any, Any, None], timeout_s: float) -> None:
        """The work, given up when a process has ended or the time is up."""
        task, clock = asyncio.ensure_future(work), asyncio.get_running_loop()
        give_up_s = clock.time() + timeout_s
        while not (await asyncio.wait({task}, timeout=_WATCH_S))[0]:
            ended = [child.name for child in self.children if child.exit_code is not None]
            if ended or clock.time() > give_up_s:
                task.cancel()
                why = f"{', '.join(ended)} ended" if ended else f"nothing after {timeout_s:g} s"
                raise SandboxFailed(f"{why}\n{self.tail()}")
        await task

    def _environment(self) -> dict[str, str]:
        """What Lambda sets, and what the template says; nothing of this machine's own."""
        return {
            **(self._with_container_credentials() if self.snap_start else self.variables),
            "PATH": f"{self._python().parent}:/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": os.pathsep.join(str(folder) for folder in self.code.layers),
            # The task root is read-only on Lambda.
            "PYTHONDONTWRITEBYTECODE": "1",
            "LANG": "C.UTF-8",
            "TZ": ":UTC",
            "LAMBDA_TASK_ROOT": str(self.code.task_root),
            "_HANDLER": self.code.handler,
            "AWS_LWA_PORT": str(free_port()),
            "AWS_LAMBDA_EXEC_WRAPPER": str(self.folder / "opt" / "bootstrap"),
            "AWS_LAMBDA_RUNTIME_API": self.runtime.address,
            "AWS_LAMBDA_FUNCTION_NAME": "chat",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_LAMBDA_LOG_GROUP_NAME": "chat",
            "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/22/[1]0123456789abcdef",
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start" if self.snap_start else "on-demand",
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
            "NO_PROXY": HOST,
        }

    def _with_container_credentials(self) -> dict[str, str]:
        """A snapshot would keep keys in the environment beyond their time, so Lambda gives none."""
        kept = {
            name: value for name, value in self.variables.items() if not name.startswith(("AWS_ACCESS", "AWS_SECRET"))
        }
        return kept | {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{self.runtime.address}{CREDENTIALS}",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": CREDENTIALS_TOKEN,
        }

    def _python(self) -> Path:
        """`python3` as run.sh finds it."""
        return _script(self.folder / "bin" / "python3", f'#!/bin/sh\nexec {" ".join(self.code.python)} "$@"\n')


def _script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path
