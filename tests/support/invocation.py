"""One invocation of a streaming function as Lambda sees it, and the HTTP answer that its bytes mean."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from tests.support.event_stream import without_comments

DELIMITER = bytes(8)


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk of the response and when it came, by the event loop's clock in seconds."""

    at_s: float
    data: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers and body as API Gateway would send them to the client."""

    status: int
    headers: Mapping[str, str]
    cookies: list[str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def events(self) -> list[str]:
        """The data of each server-sent event; comments are left out."""
        blocks = without_comments(self.body).decode().split("\n\n")
        return [block.removeprefix("data: ") for block in blocks if block.startswith("data: ")]

    def named_events(self) -> list[tuple[str, Any]]:
        """Name and data of each event that has a name; comments are left out, and nothing else may be there."""
        *blocks, rest = without_comments(self.body).decode().split("\n\n")
        assert not rest, rest[:200]
        pairs = (block.removeprefix("event: ").split("\ndata: ") for block in blocks)
        return [(name, json.loads(data)) for name, data in pairs]


@dataclass(slots=True)
class Invocation:
    """Filled while the response comes in. `error` is what the function reported instead of an answer."""

    event: Mapping[str, Any]
    deadline_ms: int
    request_id: str = field(default_factory=lambda: str(uuid4()))
    response_headers: Mapping[str, str] = field(default_factory=dict)
    chunks: list[Chunk] = field(default_factory=list)
    trailers: Mapping[str, str] = field(default_factory=dict)
    error: str | None = None
    ended_s: float | None = None
    _progress: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def came(self, data: bytes) -> None:
        async with self._progress:
            self.chunks.append(Chunk(asyncio.get_running_loop().time(), data))
            self._progress.notify_all()

    async def end(self, error: str | None = None) -> None:
        async with self._progress:
            self.error = error
            self.ended_s = asyncio.get_running_loop().time()
            self._progress.notify_all()

    async def until(self, reached: Callable[["Invocation"], bool]) -> None:
        """Wait for a condition on what has come so far."""
        async with self._progress:
            await self._progress.wait_for(lambda: reached(self))

    @property
    def raw(self) -> bytes:
        return b"".join(chunk.data for chunk in self.chunks)

    @property
    def prelude(self) -> Any:
        return json.loads(self.raw.partition(DELIMITER)[0])

    def answer(self) -> Answer:
        """Raises AssertionError when the function failed instead of answering."""
        assert self.error is None, self.error
        prelude, delimiter, body = self.raw.partition(DELIMITER)
        assert delimiter, f"no prelude in {self.raw[:200]!r}"
        meta = json.loads(prelude)
        return Answer(meta["statusCode"], meta["headers"], meta["cookies"], body)

    def body_chunks(self) -> list[Chunk]:
        """What came after prelude and delimiter, as it came."""
        skip = self.raw.index(DELIMITER) + len(DELIMITER)
        found: list[Chunk] = []
        for chunk in self.chunks:
            data, skip = chunk.data[skip:], max(0, skip - len(chunk.data))
            if data:
                found.append(Chunk(chunk.at_s, data))
        return found
