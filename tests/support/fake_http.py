"""Providers at the transport: scripted replies to whatever is posted, whatever its body is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from multiconnection.providers.errors import ConnectionCut, TransportFailure


class FakeReply:
    """Yields its pieces, then a clean end; an exception among them is raised."""

    def __init__(
        self, pieces: Iterable[bytes | TransportFailure], status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        self.status = status
        self.headers: Mapping[str, str] = headers or {}
        self.idle_since = 0.0
        self.closed = False
        self.drained = False
        self._pieces = list(pieces)

    @property
    def unread(self) -> int:
        return len(self._pieces)

    async def read(self) -> bytes:
        if self.closed:
            raise ConnectionCut("closed")
        if not self._pieces:
            return b""
        piece = self._pieces.pop(0)
        if isinstance(piece, TransportFailure):
            raise piece
        return piece

    async def drain(self) -> None:
        self.drained = True
        self.close()

    def close(self) -> None:
        self.closed = True


def json_reply(body: object, status: int = 200) -> FakeReply:
    return FakeReply([orjson.dumps(body)], status, {"content-type": "application/json"})


@dataclass(frozen=True)
class Posted:
    """One request as it reached a provider."""

    url: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(self.body)
        return found


@dataclass
class FakeHttp:
    """Implements `Http`: answers with its replies in order and keeps what was posted."""

    replies: list[FakeReply | TransportFailure]
    posted: list[Posted] = field(default_factory=list)

    async def post(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        connect_timeout_s: float,
        first_byte_timeout_s: float,
        idle_timeout_s: float,
    ) -> FakeReply:
        assert 0 < connect_timeout_s <= first_byte_timeout_s <= idle_timeout_s
        self.posted.append(Posted(url, headers, body))
        reply = self.replies.pop(0)
        if isinstance(reply, TransportFailure):
            raise reply
        return reply
