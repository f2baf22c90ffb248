"""The samples of an MP4 that was written while it was recorded: each fragment brings some more."""

from .found import Steps, big

_BASE_OFFSET, _DESCRIPTION, _DURATION = 0x01, 0x02, 0x08
_OFFSET, _FIRST_FLAGS = 0x01, 0x04
_OWN_DURATION, _OWN_OTHERS = 0x100, (0x200, 0x400, 0x800)


class Fragments:
    """Counts samples and their durations by track (ISO 14496-12, 8.8)."""

    def __init__(self) -> None:
        self._defaults: dict[int, int] = {}
        self._totals: dict[int, tuple[int, int]] = {}
        self._track = 0
        self._default = 0

    def of(self, track: int) -> tuple[int, int]:
        return self._totals.get(track, (0, 0))

    def take(self, kind: bytes, data: bytes, at: int, end: int, steps: Steps) -> None:
        """A `trex`, `tfhd` or `trun` box."""
        if kind == b"trex":
            self._defaults[big(data, at + 4, 4)] = big(data, at + 12, 4)
        elif kind == b"tfhd":
            self._head(data, at)
        else:
            self._run(data, at, end, steps)

    def _head(self, data: bytes, at: int) -> None:
        flags = big(data, at + 1, 3)
        self._track = big(data, at + 4, 4)
        where = at + 8 + (8 if flags & _BASE_OFFSET else 0) + (4 if flags & _DESCRIPTION else 0)
        self._default = big(data, where, 4) if flags & _DURATION else self._defaults.get(self._track, 0)

    def _run(self, data: bytes, at: int, end: int, steps: Steps) -> None:
        flags, count = big(data, at + 1, 3), big(data, at + 4, 4)
        duration = count * self._default
        if flags & _OWN_DURATION:
            where = at + 8 + (4 if flags & _OFFSET else 0) + (4 if flags & _FIRST_FLAGS else 0)
            step = 4 + 4 * sum(bool(flags & other) for other in _OWN_OTHERS)
            count = max(0, min(count, (end - where) // step))
            steps.take(count)
            duration = sum(big(data, where + step * number, 4) for number in range(count))
        samples, total = self.of(self._track)
        self._totals[self._track] = (samples + count, total + duration)
