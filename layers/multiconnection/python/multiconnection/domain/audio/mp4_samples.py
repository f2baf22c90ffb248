"""Where the samples of an MP4 track are, by its tables (ISO 14496-12, 8.6 and 8.7)."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from .found import Steps, big

Region = tuple[int, int]
"""Where a table's entries begin, and where its box ends."""


@dataclass(slots=True)
class Tables:
    """`compact` is the bits of a size in `stz2`, `size` the one of all samples if they have the same one."""

    count: int = 0
    size: int = 0
    compact: int = 32
    sizes: Region = (0, 0)
    runs: list[tuple[int, int]] = field(default_factory=list)
    offsets: Region = (0, 0)
    offset_bytes: int = 4

    def take(self, kind: bytes, data: bytes, at: int, end: int, steps: Steps) -> None:
        """A `stsz`, `stz2`, `stsc`, `stco` or `co64` box."""
        if kind in (b"stsz", b"stz2"):
            self.count = max(self.count, big(data, at + 8, 4))
            self.size = big(data, at + 4, 4) if kind == b"stsz" else 0
            self.compact = 32 if kind == b"stsz" else big(data, at + 7, 1)
            self.sizes = at + 12, end
        elif kind == b"stsc":
            number = min(big(data, at + 4, 4), (end - at - 8) // 12)
            steps.take(max(0, number))
            self.runs = [
                (big(data, entry, 4), big(data, entry + 4, 4)) for entry in range(at + 8, at + 8 + 12 * number, 12)
            ]
        else:
            self.offset_bytes = 8 if kind == b"co64" else 4
            self.offsets = at + 8, min(end, at + 8 + self.offset_bytes * big(data, at + 4, 4))

    @property
    def chunks(self) -> int:
        return max(0, (self.offsets[1] - self.offsets[0]) // self.offset_bytes)

    @property
    def chunked(self) -> int:
        """Samples in all chunks: old players go by this alone."""
        nexts = [first for first, _ in self.runs[1:]] + [self.chunks + 1]
        return sum(count * max(0, after - first) for (first, count), after in zip(self.runs, nexts, strict=False))

    def places(self, data: bytes, steps: Steps) -> Iterator[tuple[int, int]]:
        """Where each sample begins, and how many bytes it has, as far as the tables go."""
        number, run = 0, 0
        for chunk in range(1, self.chunks + 1):
            steps.take()
            while run + 1 < len(self.runs) and self.runs[run + 1][0] <= chunk:
                run += 1
            at = big(data, self.offsets[0] + self.offset_bytes * (chunk - 1), self.offset_bytes)
            for _ in range(self.runs[run][1] if self.runs else 0):
                if number >= self.count:
                    return
                steps.take()
                size = self.size or self._size(data, number)
                yield at, size
                at, number = at + size, number + 1

    def _size(self, data: bytes, number: int) -> int:
        if self.compact == 4:
            pair = big(data, self.sizes[0] + number // 2, 1)
            return pair & 15 if number % 2 else pair >> 4
        width = self.compact // 8
        return big(data, self.sizes[0] + width * number, width)
