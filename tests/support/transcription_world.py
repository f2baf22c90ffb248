"""The transcription service with its real dialect, over a ChatWorld and providers at the transport."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

import orjson

from multiconnection.calls.streaming import StreamedAnswer
from multiconnection.catalog.parameters import TRANSCRIPTIONS
from multiconnection.errors import GatewayError
from multiconnection.keys.models import Caller
from multiconnection.ledger.models import UsageRow
from multiconnection.providers.errors import TransportFailure
from multiconnection.web.forms import Form, FormFile
from tests.support.event_stream import without_comments

from .audio_files import wav
from .chat_world import ChatWorld, Client, a_model
from .fake_http import FakeReply, Posted
from .speech_world import Piece, TimedReply, shipped

WHISPER, GPT, MINI, DIARIZE = "whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "gpt-4o-transcribe-diarize"
TEXT = "Good morning."
TOKENS = {
    "type": "tokens",
    "input_tokens": 31,
    "input_token_details": {"text_tokens": 6, "audio_tokens": 25},
    "output_tokens": 4,
    "total_tokens": 35,
}


def answer(body: object = None, *, status: int = 200) -> TimedReply:
    """JSON, or the bytes of a text format."""
    whole = {"text": TEXT} if body is None else body
    if isinstance(whole, bytes):
        return TimedReply([whole], status, "text/plain; charset=utf-8")
    return TimedReply([orjson.dumps(whole)], status, "application/json")


def event(kind: str, **members: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps({"type": kind, **members}))


def delta(text: str) -> bytes:
    return event("transcript.text.delta", delta=text)


def done(usage: object = TOKENS, text: str = TEXT) -> bytes:
    return event("transcript.text.done", text=text, **({} if usage is None else {"usage": usage}))


DELTAS = [delta("Good "), delta("morning.")]


def events(*pieces: Piece) -> TimedReply:
    return TimedReply(pieces or [*DELTAS, done()], media_type="text/event-stream; charset=utf-8")


def a_form(model: str | None = WHISPER, audio: bytes | str | None = None, **given: Any) -> Form:
    """`audio` as text is a reference; a list among the fields comes as `name[]`."""
    texts = {"model": [model]} if model is not None else {}
    texts |= {name: value if isinstance(value, list) else [value] for name, value in given.items()}
    arrays = frozenset(name for name, value in given.items() if isinstance(value, list))
    if isinstance(audio, str):
        return Form(texts | {"file": [audio]}, {}, arrays)
    data = wav() if audio is None else audio
    return Form(texts, {"file": [FormFile("my secret plans.mp3", "audio/mpeg", data)]}, arrays)


@dataclass(frozen=True)
class SentForm:
    """What a provider received."""

    fields: Sequence[tuple[str, str]]
    filename: str
    content_type: str
    data: bytes

    @classmethod
    def of(cls, posted: Posted) -> "SentForm":
        head = b"content-type: " + posted.headers["content-type"].encode() + b"\r\n\r\n"
        message: Any = BytesParser(policy=HTTP).parsebytes(head + posted.body)
        parts = list(message.iter_parts())
        (file,) = [part for part in parts if part.get_filename() is not None]
        texts = [(_name(part), part.get_payload(decode=True).decode()) for part in parts if part is not file]
        return cls(texts, file.get_filename(), file.get_content_type(), file.get_payload(decode=True))


def _name(part: Any) -> str:
    return str(part.get_param("name", header="content-disposition"))


@dataclass
class Reader(Client):
    """A Client that may have got text instead of JSON."""

    plain: bytes | None = None

    @property
    def events(self) -> list[dict[str, Any]]:
        """Each under its own name."""
        found = []
        for block in without_comments(self.text).decode().split("\n\n")[:-1]:
            name, data = block.split("\n")
            found.append(orjson.loads(data.removeprefix("data: ")))
            assert name == f"event: {found[-1]['type']}"
        return found


class TranscriptionWorld(ChatWorld):
    """Every transcription model of the catalog, and the chat model of all other tests."""

    def __init__(self, *replies: FakeReply | TransportFailure, **more: Any) -> None:
        super().__init__(a_model(), *map(shipped, (WHISPER, GPT, MINI, DIARIZE)), **more)
        self.http.replies = list(replies)
        self.scripted = list(replies)

    @property
    def sent(self) -> SentForm:
        """The last request."""
        return SentForm.of(self.http.posted[-1])

    async def hear(
        self,
        caller: Caller,
        model: str | None = WHISPER,
        audio: bytes | str | None = None,
        endpoint: str = TRANSCRIPTIONS,
        form: Form | None = None,
        **given: Any,
    ) -> Reader:
        """One call to its end, whatever the end is."""
        reader = Reader()
        form = form or a_form(model, audio, **given)
        try:
            got = await self.transcription.answer(caller, endpoint, form, self.arrival())
        except GatewayError as exc:
            reader.refused = exc
            return reader
        if isinstance(got, StreamedAnswer):
            await got.relay(reader.send)
        elif isinstance(got, bytes):
            reader.plain = got
        else:
            reader.body = got
        return reader

    async def settled_row(self, account_id: str = "a1") -> UsageRow:
        """As for chat; and no connection to a provider is left."""
        asked = [reply for reply in self.scripted if isinstance(reply, FakeReply) and reply not in self.http.replies]
        assert all(reply.closed for reply in asked)
        return await super().settled_row(account_id)


def usage_of(reader: Reader) -> Mapping[str, Any]:
    assert reader.body is not None
    found: Mapping[str, Any] = reader.body["usage"]
    return found
