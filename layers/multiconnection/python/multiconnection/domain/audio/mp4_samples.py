"""Where the samples of an MP4 track are: by its tables (ISO 14496-12, 8.6 and 8.7) and in fragments (8.8)."""

from collections.abc import Iterator
from dataclasses import dataclass

from .found import AudioError, Steps, big
from .packets import NOWHERE

Region = tuple[int, int]
"""Where a table's entries begin, and where its box ends."""
_NONE: Region = (0, 0)
_RUN_BYTES = 12

_BASE_OFFSET, _DESCRIPTION, _DURATION, _SIZE, _BASE_IS_MOOF = 0x01, 0x02, 0x08, 0x10, 0x020000
_OFFSET, _FIRST_FLAGS = 0x01, 0x04
_OWN_DURATION, _OWN_SIZE, _OWN_OTHERS = 0x100, 0x200, (0x200, 0x400, 0x800)
# As many as tracks, and some for those that are no sound.
_DEFAULTS_MAX = 256


@dataclass(slots=True)
class Tables:
    """Read where they are in the file. `compact` is the bits of a size in `stz2`, `size` the one of all samples."""

    count: int = 0
    size: int = 0
    compact: int = 32
    sizes: Region = _NONE
    runs: Region = _NONE
    offsets: Region = _NONE
    offset_bytes: int = 4

    def take(self, kind: bytes, data: bytes, at: int, end: int) -> None:
        """A `stsz`, `stz2`, `stsc`, `stco` or `co64` box; raises AudioError for a second one of a kind."""
        number = big(data, at + 4, 4)
        if kind in (b"stsz", b"stz2"):
            known, self.sizes = self.sizes, (at + 12, end)
            self.count = big(data, at + 8, 4)
            self.size = number if kind == b"stsz" else 0
            self.compact = 32 if kind == b"stsz" else big(data, at + 7, 1)
        elif kind == b"stsc":
            known, self.runs = self.runs, (at + 8, min(end, at + 8 + _RUN_BYTES * number))
        else:
            self.offset_bytes = 8 if kind == b"co64" else 4
            known, self.offsets = self.offsets, (at + 8, min(end, at + 8 + self.offset_bytes * number))
        if known != _NONE:
            raise AudioError("The MP4 file says twice where its samples are.")

    @property
    def chunks(self) -> int:
        return max(0, (self.offsets[1] - self.offsets[0]) // self.offset_bytes)

    def chunked(self, data: bytes, steps: Steps) -> int:
        """Samples in all chunks: old players go by this alone."""
        total, runs = 0, self._run_count
        for number in range(runs):
            steps.take()
            first, count = self._run(data, number)
            after = self._run(data, number + 1)[0] if number + 1 < runs else self.chunks + 1
            total += count * max(0, after - first)
        return total

    def places(self, data: bytes, steps: Steps) -> Iterator[tuple[int, int]]:
        """Where each sample begins, and how many bytes it has, as far as the tables go."""
        number, run, runs = 0, 0, self._run_count
        for chunk in range(1, self.chunks + 1):
            steps.take()
            while run + 1 < runs and self._run(data, run + 1)[0] <= chunk:
                steps.take()
                run += 1
            at = big(data, self.offsets[0] + self.offset_bytes * (chunk - 1), self.offset_bytes)
            for _ in range(self._run(data, run)[1] if runs else 0):
                if number >= self.count:
                    return
                steps.take()
                size = self.size or self._size(data, number)
                yield at, size
                at, number = at + size, number + 1

    @property
    def _run_count(self) -> int:
        return max(0, (self.runs[1] - self.runs[0]) // _RUN_BYTES)

    def _run(self, data: bytes, number: int) -> tuple[int, int]:
        """The first chunk, and how many samples each of them has."""
        at = self.runs[0] + _RUN_BYTES * number
        return big(data, at, 4), big(data, at + 4, 4)

    def _size(self, data: bytes, number: int) -> int:
        if self.compact == 4:
            pair = big(data, self.sizes[0] + number // 2, 1)
            return pair & 15 if number % 2 else pair >> 4
        width = self.compact // 8
        return big(data, self.sizes[0] + width * number, width)


@dataclass(frozen=True, slots=True)
class Run:
    """Samples one after the other; `start` is NOWHERE if players do not agree where.

    What they do not say themselves, in entries of `step` bytes from `entries` on, is `size` and `duration`.
    """

    count: int
    start: int
    flags: int
    entries: int
    step: int
    size: int
    duration: int

    def samples(self, data: bytes) -> Iterator[tuple[int, int, int]]:
        """Where each begins, how many bytes it has, and its duration."""
        at, entry = self.start, self.entries
        for _ in range(self.count):
            duration = big(data, entry, 4) if self.flags & _OWN_DURATION else self.duration
            sized = entry + 4 * bool(self.flags & _OWN_DURATION)
            size = big(data, sized, 4) if self.flags & _OWN_SIZE else self.size
            yield at, size, duration
            at, entry = at if at == NOWHERE else at + size, entry + self.step


class Fragment:
    """What the boxes of a file that was written while it was recorded say of the samples that come next."""

    def __init__(self) -> None:
        self._defaults: dict[int, tuple[int, int]] = {}
        self._moof = self._heads = self.track = self._duration = self._size = 0
        self._base = NOWHERE

    def default(self, data: bytes, at: int) -> None:
        """A `trex` box."""
        if len(self._defaults) == _DEFAULTS_MAX:
            raise AudioError("The MP4 file has too many tracks.")
        self._defaults[big(data, at + 4, 4)] = big(data, at + 12, 4), big(data, at + 16, 4)

    def begin(self, at: int) -> None:
        """A `moof` box, from its size on."""
        self._moof, self._heads = at, 0

    def head(self, data: bytes, at: int) -> None:
        """A `tfhd` box."""
        flags = big(data, at + 1, 3)
        self.track = big(data, at + 4, 4)
        self._duration, self._size = self._defaults.get(self.track, (0, 0))
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

    def run(self, data: bytes, at: int, end: int) -> Run:
        """A `trun` box."""
        flags, count = big(data, at + 1, 3), big(data, at + 4, 4)
        known = flags & _OFFSET and self._base != NOWHERE
        start = self._base + int.from_bytes(data[at + 8 : at + 12], "big", signed=True) if known else NOWHERE
        entries = at + 8 + (4 if flags & _OFFSET else 0) + (4 if flags & _FIRST_FLAGS else 0)
        step = 4 * bool(flags & _OWN_DURATION) + 4 * sum(bool(flags & other) for other in _OWN_OTHERS)
        count = max(0, min(count, (end - entries) // step)) if step else count
        return Run(count, max(start, NOWHERE), flags, entries, step, self._size, self._duration)
