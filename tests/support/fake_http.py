"""Providers at the transport: scripted replies to each request, whatever its body is."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from multiconnection.providers.errors import ConnectionCut, TransportFailure

JSON, EVENTS = "application/json", "text/event-stream; charset=utf-8"
Piece = bytes | float | TransportFailure
"""Bytes of a body, seconds of silence, or a failure."""


class FakeReply:
    """Yields its pieces, then a clean end; a number among them is silence in seconds, an exception is raised."""

    def __init__(self, pieces: Iterable[Piece], status: int = 200, headers: Mapping[str, str] | None = None) -> None:
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
        while True:
            if self.closed:
                raise ConnectionCut("closed")
            if not self._pieces:
                return b""
            piece = self._pieces.pop(0)
            if isinstance(piece, bytes):
                return piece
            if isinstance(piece, TransportFailure):
                raise piece
            await asyncio.sleep(piece)

    async def drain(self) -> None:
        self.drained = True
        self.close()

    def close(self) -> None:
        self.closed = True


def typed_reply(media_type: str | None, *pieces: Piece, status: int = 200) -> FakeReply:
    return FakeReply(pieces, status, {} if media_type is None else {"content-type": media_type})


def json_reply(body: object, status: int = 200) -> FakeReply:
    return typed_reply(JSON, orjson.dumps(body), status=status)


def event_reply(*pieces: Piece) -> FakeReply:
    return typed_reply(EVENTS, *pieces)


def named_event(kind: str, **members: Any) -> bytes:
    """A server-sent event whose data repeats its name."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps({"type": kind, **members}))


@dataclass(frozen=True)
class Posted:
    """A request as it reached a provider."""

    url: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(self.body)
        return found


@dataclass
class FakeHttp:
    """Implements `Http`: answers with its replies in order and keeps the requests."""

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
