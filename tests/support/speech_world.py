"""The speech service with its real dialect, over a ChatWorld and providers at the transport."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from multiconnection.errors import GatewayError
from multiconnection.keys.models import Caller
from multiconnection.providers.errors import TransportFailure

from .chat_world import Client
from .fake_http import FakeReply, Piece, event_reply, named_event, typed_reply
from .scripted_world import ScriptedWorld, shipped

TTS, HD, MINI = "tts-1", "tts-1-hd", "gpt-4o-mini-tts"
AUDIO = [b"ID3\x04first", b"second", b"last"]
USAGE = {"input_tokens": 14, "output_tokens": 101, "total_tokens": 115}


def audio(*pieces: Piece, media_type: str | None = "audio/mpeg") -> FakeReply:
    return typed_reply(media_type, *(pieces or AUDIO))


def delta(data: bytes) -> bytes:
    return named_event("speech.audio.delta", audio=b64encode(data).decode())


def done(usage: object = USAGE) -> bytes:
    return named_event("speech.audio.done", **({} if usage is None else {"usage": usage}))


def events(*pieces: Piece) -> FakeReply:
    return event_reply(*(pieces or [*map(delta, AUDIO), done()]))


@dataclass
class Listener(Client):
    """A Client that also knows whether the body ended cleanly, and its media type."""

    clean: bool | None = None
    media_type: str = ""


class SpeechWorld(ScriptedWorld):
    """Every speech model of the catalog as it is deployed."""

    def __init__(self, *replies: FakeReply | TransportFailure, environment: Mapping[str, str] | None = None) -> None:
        super().__init__(*replies, models=tuple(map(shipped, (TTS, HD, MINI))), environment=environment)

    async def speak(self, caller: Caller, **body: Any) -> Listener:
        return await self.speak_to(Listener(), caller, **body)

    async def speak_to(self, heard: Listener, caller: Caller, **body: Any) -> Listener:
        """One call to its end, whatever the end is."""
        whole = {"model": TTS, "input": "Good morning.", "voice": "alloy", **body}
        try:
            answer = await self.speech.speak(caller, whole, self.context())
        except GatewayError as exc:
            heard.refused = exc
            return heard
        heard.media_type = answer.framing.media_type
        heard.clean = await answer.relay(heard.send)
        return heard
