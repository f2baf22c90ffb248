"""The samples of an MP4 that was written while it was recorded: each fragment brings some more."""

from collections.abc import Iterator
from dataclasses import dataclass

from .found import Steps, big
from .packets import NOWHERE

_BASE_OFFSET, _DESCRIPTION, _DURATION, _SIZE, _BASE_IS_MOOF = 0x01, 0x02, 0x08, 0x10, 0x020000
_OFFSET, _FIRST_FLAGS = 0x01, 0x04
_OWN_DURATION, _OWN_SIZE, _OWN_OTHERS = 0x100, 0x200, (0x200, 0x400, 0x800)


@dataclass(slots=True)
class Run:
    """Samples one after the other; `start` is NOWHERE if players do not agree where."""

    count: int
    start: int
    size: int
    sizes: int = 0
    step: int = 0

    def places(self, data: bytes) -> Iterator[tuple[int, int]]:
        at = self.start
        for number in range(self.count):
            size = big(data, self.sizes + self.step * number, 4) if self.step else self.size
            yield at, size
            at = at if at == NOWHERE else at + size


class Fragments:
    """Runs of samples and their durations by track (ISO 14496-12, 8.8)."""

    def __init__(self) -> None:
        self._defaults: dict[int, tuple[int, int]] = {}
        self._runs: dict[int, list[Run]] = {}
        self._durations: dict[int, int] = {}
        self._moof = self._heads = self._track = self._duration = self._size = 0
        self._base = NOWHERE

    def runs(self, track: int) -> list[Run]:
        return self._runs.get(track, [])

    def duration(self, track: int) -> int:
        return self._durations.get(track, 0)

    def begin(self, at: int) -> None:
        """A `moof` box, from its size on."""
        self._moof, self._heads = at, 0

    def take(self, kind: bytes, data: bytes, at: int, end: int, steps: Steps) -> None:
        """A `trex`, `tfhd` or `trun` box."""
        if kind == b"trex":
            self._defaults[big(data, at + 4, 4)] = big(data, at + 12, 4), big(data, at + 16, 4)
        elif kind == b"tfhd":
            self._head(data, at)
        else:
            self._run(data, at, end, steps)

    def _head(self, data: bytes, at: int) -> None:
        flags = big(data, at + 1, 3)
        self._track = big(data, at + 4, 4)
        self._duration, self._size = self._defaults.get(self._track, (0, 0))
        self._heads += 1
        # Without a word on it the samples of a second track begin where the first one's end, as some have it.
        self._base = self._moof if flags & _BASE_IS_MOOF or self._heads == 1 else NOWHERE
        at += 8
        if flags & _BASE_OFFSET:
            self._base, at = big(data, at, 8), at + 8
        at += 4 if flags & _DESCRIPTION else 0
        if flags & _DURATION:
            self._duration, at = big(data, at, 4), at + 4
        if flags & _SIZE:
            self._size = big(data, at, 4)

    def _run(self, data: bytes, at: int, end: int, steps: Steps) -> None:
        flags, count = big(data, at + 1, 3), big(data, at + 4, 4)
        known = flags & _OFFSET and self._base != NOWHERE
        start = self._base + int.from_bytes(data[at + 8 : at + 12], "big", signed=True) if known else NOWHERE
        where = at + 8 + (4 if flags & _OFFSET else 0) + (4 if flags & _FIRST_FLAGS else 0)
        own = bool(flags & _OWN_DURATION)
        step = 4 * own + 4 * sum(bool(flags & other) for other in _OWN_OTHERS)
        count = max(0, min(count, (end - where) // step)) if step else count
        steps.take(count)
        duration = (
            sum(big(data, where + step * number, 4) for number in range(count)) if own else count * self._duration
        )
        self._durations[self._track] = self.duration(self._track) + duration
        run = Run(count, max(start, NOWHERE), self._size)
        if flags & _OWN_SIZE:
            run.sizes, run.step = where + 4 * own, step
        self._runs.setdefault(self._track, []).append(run)
