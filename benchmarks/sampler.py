"""A sampling profiler for the main thread: a signal per slice of CPU time, the Python stack at each."""

import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType

# The kernel's tick decides in the end: 4 ms on most machines.
SLICE_S = 0.001
DEPTH_MAX = 200


class Sampler:
    """`own` counts the innermost function, `within` every function on the stack once."""

    def __init__(self) -> None:
        self.samples = 0
        self.own: Counter[CodeType] = Counter()
        self.within: Counter[CodeType] = Counter()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Only CPU time is sliced: a process that waits is not sampled."""
        signal.signal(signal.SIGPROF, self._take)
        signal.setitimer(signal.ITIMER_PROF, SLICE_S, SLICE_S)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)

    def _take(self, _number: int, frame: FrameType | None) -> None:
        self.samples += 1
        if frame is not None:
            self.own[frame.f_code] += 1
        seen: set[CodeType] = set()
        while frame is not None and len(seen) < DEPTH_MAX:
            seen.add(frame.f_code)
            frame = frame.f_back
        self.within.update(seen)


def label(code: CodeType) -> str:
    """`chat/service.py:104 ChatService.answer`: the end of the path is enough."""
    path = Path(code.co_filename)
    return f"{'/'.join(path.parts[-2:])}:{code.co_firstlineno} {code.co_qualname}"


def package(code: CodeType) -> str:
    """`aiohttp`, `multiconnection/services`, `python` for the standard library: who the time belongs to."""
    parts = Path(code.co_filename).parts
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1]
    if "multiconnection" in parts:
        at = len(parts) - 1 - parts[::-1].index("multiconnection")
        return "/".join(parts[at : at + 2])
    return parts[-2] if parts[-2:-1] in (("local",), ("benchmarks",)) else "python"
