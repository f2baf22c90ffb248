"""An event loop whose time jumps to the next timer: a deadline of fifteen minutes passes at once, and exactly."""

import asyncio
import selectors
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

START_S = 1_800_000_000.0
# Real seconds. A thread's result is waited for in them before time goes on; nothing else wakes a loop without a timer.
THREADS_WAITED_FOR_S = 5.0
T = TypeVar("T")


class NothingEverHappens(RuntimeError):
    """Every task waits, and no timer is set."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """No socket is ever waited for: whatever is to happen is a timer, is ready, or is a thread's result."""

    def __init__(self) -> None:
        self._now_s = 0.0
        self.threads = 0
        super().__init__(_Jump(self))

    def run_in_executor(  # type: ignore[override]  # typeshed binds the arguments to those of `func`
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> "asyncio.Future[T]":
        """What runs in a thread takes no virtual time."""
        future = super().run_in_executor(executor, func, *args)
        self.threads += 1
        future.add_done_callback(self._one_thread_less)
        return future

    def _one_thread_less(self, _: "asyncio.Future[Any]") -> None:
        self.threads -= 1

    def time(self) -> float:
        return self._now_s

    def jump(self, seconds: float) -> None:
        self._now_s += seconds


class _Jump(selectors.BaseSelector):
    """Does not wait: it puts the loop's clock forward instead."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._real = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        waits = timeout is None or (timeout > 0 and self._loop.threads)
        ready = self._real.select(THREADS_WAITED_FOR_S if waits else 0)
        if not ready and timeout is None:
            raise NothingEverHappens
        if not ready and timeout:
            self._loop.jump(timeout)
        return ready

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


class LoopClock:
    """The `Clock` of such a loop: wall time and timers agree."""

    def now(self) -> float:
        return START_S + asyncio.get_running_loop().time()
