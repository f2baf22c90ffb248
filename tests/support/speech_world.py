"""The speech service with its real dialect, over a ChatWorld and providers at the transport."""

import asyncio
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import orjson

from multiconnection.catalog.models import Model, parse_model
from multiconnection.errors import GatewayError
from multiconnection.keys.models import Caller
from multiconnection.ledger.models import UsageRow
from multiconnection.providers.errors import TransportFailure

from .chat_world import ChatWorld, Client, a_model
from .fake_http import FakeReply

Piece = bytes | float | TransportFailure
SHIPPED = {
    entry["id"]: entry
    for entry in orjson.loads(files("multiconnection").joinpath("data", "catalog.json").read_bytes())["models"]
}
UPSTREAMS = [{"provider": "one", "model": "theirs-1"}, {"provider": "two", "model": "theirs-2"}]
TTS, HD, MINI = "tts-1", "tts-1-hd", "gpt-4o-mini-tts"
AUDIO = [b"ID3\x04first", b"second", b"last"]
USAGE = {"input_tokens": 14, "output_tokens": 101, "total_tokens": 115}


def shipped(name: str) -> Model:
    """The entry as it is deployed, at the world's providers."""
    return parse_model({**SHIPPED[name], "upstreams": UPSTREAMS})


class TimedReply(FakeReply):
    """A FakeReply in which a number is silence in seconds."""

    def __init__(self, pieces: Iterable[Piece], status: int = 200, media_type: str | None = "audio/mpeg") -> None:
        super().__init__([], status, {"content-type": media_type} if media_type is not None else {})
        self._timed = list(pieces)

    async def read(self) -> bytes:
        piece = self._timed.pop(0) if self._timed and not self.closed else None
        if piece is None:
            return await super().read()
        if isinstance(piece, TransportFailure):
            raise piece
        if isinstance(piece, bytes):
            return piece
        await asyncio.sleep(piece)
        return await self.read()


def audio(*pieces: Piece, media_type: str | None = "audio/mpeg") -> TimedReply:
    return TimedReply(pieces or AUDIO, media_type=media_type)


def event(kind: str, **members: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps({"type": kind, **members}))


def delta(data: bytes) -> bytes:
    return event("speech.audio.delta", audio=b64encode(data).decode())


def done(usage: object = USAGE) -> bytes:
    return event("speech.audio.done", **({} if usage is None else {"usage": usage}))


def events(*pieces: Piece) -> TimedReply:
    return TimedReply(pieces or [*map(delta, AUDIO), done()], media_type="text/event-stream; charset=utf-8")


@dataclass
class Listener(Client):
    """A Client that also knows whether the body ended cleanly, and as what it was served."""

    clean: bool | None = None
    media_type: str = ""


class SpeechWorld(ChatWorld):
    """Every speech model of the catalog, and the chat model of all other tests."""

    def __init__(self, *replies: FakeReply | TransportFailure, **more: Any) -> None:
        super().__init__(a_model(), *map(shipped, (TTS, HD, MINI)), **more)
        self.http.replies = list(replies)
        self.scripted = list(replies)

    async def speak(self, caller: Caller, **body: Any) -> Listener:
        return await self.speak_to(Listener(), caller, **body)

    async def speak_to(self, heard: Listener, caller: Caller, **body: Any) -> Listener:
        """One call to its end, whatever the end is."""
        whole = {"model": TTS, "input": "Good morning.", "voice": "alloy", **body}
        try:
            answer = await self.speech.speak(caller, whole, self.arrival())
        except GatewayError as exc:
            heard.refused = exc
            return heard
        heard.media_type = answer.framing.media_type
        heard.clean = await answer.relay(heard.send)
        return heard

    async def settled_row(self, account_id: str = "a1") -> UsageRow:
        """As for chat; and no connection to a provider is left."""
        asked = [reply for reply in self.scripted if isinstance(reply, FakeReply) and reply not in self.http.replies]
        assert all(reply.closed for reply in asked)
        return await super().settled_row(account_id)
