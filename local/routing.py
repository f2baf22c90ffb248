"""API Gateway's choice of a route: an exact segment before {name}, {name} before greedy {name+}."""

from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class _Node(Generic[T]):
    __slots__ = ("any_segment", "exact", "greedy", "methods")

    def __init__(self) -> None:
        self.exact: dict[bytes, _Node[T]] = {}
        self.any_segment: _Node[T] | None = None
        self.greedy: _Node[T] | None = None
        self.methods: dict[str, T] = {}


class Router(Generic[T]):
    """Maps a method and a raw path (percent-encoding kept) to the target of the route."""

    def __init__(self, routes: Iterable[tuple[str, str, T]]) -> None:
        """`routes` are (path, method, target)."""
        self._root: _Node[T] = _Node()
        self._static: dict[tuple[str, bytes], T] = {}
        for path, method, target in routes:
            self._node(path).methods[method.upper()] = target
            if "{" not in path:
                self._static[method.upper(), path.encode()] = target

    def match(self, method: str, path: bytes) -> T | None:
        """None when no resource has this path, or the best one lacks the method. `path` is `normal`."""
        target = self._static.get((method, path))
        if target is not None:
            return target
        node = _find(self._root, [segment for segment in path.split(b"/") if segment], 0)
        return node.methods.get(method) if node else None

    def _node(self, path: str) -> _Node[T]:
        node = self._root
        for segment in path.strip("/").split("/"):
            if segment.endswith("+}"):
                node.greedy = node.greedy or _Node()
                node = node.greedy
            elif segment.startswith("{"):
                node.any_segment = node.any_segment or _Node()
                node = node.any_segment
            else:
                node = node.exact.setdefault(segment.encode(), _Node())
        return node


def normal(path: bytes) -> bytes:
    """The path without repeated slashes and without one at the end."""
    while b"//" in path:
        path = path.replace(b"//", b"/")
    return path.rstrip(b"/") or b"/"


def _find(node: _Node[T], segments: list[bytes], at: int) -> _Node[T] | None:
    """The best resource for the segments from `at` on; backtracks where an exact segment leads nowhere."""
    if at == len(segments):
        return node if node.methods else None
    for child in (node.exact.get(segments[at]), node.any_segment):
        found = _find(child, segments, at + 1) if child else None
        if found:
            return found
    return node.greedy if node.greedy and node.greedy.methods else None
