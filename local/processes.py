"""Child processes that are known to be ready, and that end with this process."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

HOST = "127.0.0.1"
_PARENT_DEATH = Path(__file__).with_name("parent_death.py")
_TAIL_LINES = 20
# Only the end of a log is read for its tail; a line of ours is far shorter than a hundredth of it.
_TAIL_BYTES = 64 * 1024


class ChildFailed(RuntimeError):
    """A child did not start, died, or was not ready in time; the message ends with its last lines."""


class Child:
    """A command in a process group of its own, so that Ctrl-C reaches it through this process only.

    On Linux it also gets SIGTERM when the thread that started it ends: start children from a thread that stays.
    """

    def __init__(self, name: str, process: "subprocess.Popen[bytes]", log_path: Path | None) -> None:
        self.name = name
        self._process = process
        self._log_path = log_path
        self._lines: deque[str] = deque(maxlen=_TAIL_LINES)
        self._pump = self._start_pump() if process.stdout else None

    @classmethod
    def start(
        cls,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path | None = None,
        log_path: Path | None = None,
        pass_fds: Sequence[int] = (),
    ) -> "Child":
        """Its output goes to the log file (overwritten), or without one to our stdout, each line led by the name."""
        command_line = [sys.executable, "-I", "-S", str(_PARENT_DEATH), str(os.getpid()), *command]
        output: IO[bytes] | int = log_path.open("wb") if log_path else subprocess.PIPE
        try:
            process = subprocess.Popen(
                command_line,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=pass_fds,
            )
        finally:
            if not isinstance(output, int):
                output.close()
        return cls(name, process, log_path)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative when a signal ended it."""
        return self._process.poll()

    def wait_ready(self, ready: Callable[[], bool], timeout_s: float, poll_s: float = 0.05) -> None:
        """Raises ChildFailed when the child ends, or is not ready when the time is up."""
        deadline = time.monotonic() + timeout_s
        while self.exit_code is None:
            if ready():
                return
            if time.monotonic() > deadline:
                raise ChildFailed(f"{self.name} was not ready after {timeout_s:g} s\n{self.tail()}")
            time.sleep(poll_s)
        raise ChildFailed(f"{self.name} ended with {self.exit_code} instead of starting\n{self.tail()}")

    def stop(self, grace_s: float = 20.0) -> int:
        """SIGTERM to the group, SIGKILL after `grace_s`; the exit code. Harmless when it ended already."""
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
        code = self._process.wait()
        if self._pump:
            self._pump.join()
        return code

    def tail(self) -> str:
        """The last lines of its output."""
        if self._log_path is None:
            return "".join(self._lines)
        with self._log_path.open("rb") as log:
            log.seek(max(0, self._log_path.stat().st_size - _TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines(keepends=True)
        return "".join(lines[-_TAIL_LINES:])

    def _signal(self, number: signal.Signals) -> None:
        if self.exit_code is None:
            os.killpg(self.pid, number)

    def _start_pump(self) -> threading.Thread:
        pump = threading.Thread(target=self._pass_on, name=f"{self.name}-output", daemon=True)
        pump.start()
        return pump

    def _pass_on(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for raw in output:
                line = raw.decode(errors="replace")
                self._lines.append(line)
                print(f"{self.name} | {line.rstrip()}", flush=True)


def free_port(preferred: int = 0) -> int:
    """`preferred` when it is free, else any free one."""
    for port in (preferred, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            # As servers do: a port that is only waiting out old connections counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ChildFailed("no free port")
