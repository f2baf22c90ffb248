"""The transcription service with its real dialect, over a ChatWorld and providers at the transport."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

import orjson

from multiconnection.catalog.parameters import TRANSCRIPTIONS
from multiconnection.keys.models import Caller
from multiconnection.providers.errors import TransportFailure
from multiconnection.web.forms import Form, FormFile

from .audio_files import wav
from .fake_http import JSON, FakeReply, Piece, Posted, event_reply, named_event, typed_reply
from .scripted_world import EventClient, ScriptedWorld, shipped

WHISPER, GPT, MINI, DIARIZE = "whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "gpt-4o-transcribe-diarize"
TEXT = "Good morning."
TOKENS = {
    "type": "tokens",
    "input_tokens": 31,
    "input_token_details": {"text_tokens": 6, "audio_tokens": 25},
    "output_tokens": 4,
    "total_tokens": 35,
}


def answer(body: object = None, *, status: int = 200) -> FakeReply:
    """JSON, or the bytes of a text format."""
    whole = {"text": TEXT} if body is None else body
    if isinstance(whole, bytes):
        return typed_reply("text/plain; charset=utf-8", whole, status=status)
    return typed_reply(JSON, orjson.dumps(whole), status=status)


def delta(text: str) -> bytes:
    return named_event("transcript.text.delta", delta=text)


def done(usage: object = TOKENS, text: str = TEXT) -> bytes:
    return named_event("transcript.text.done", text=text, **({} if usage is None else {"usage": usage}))


DELTAS = [delta("Good "), delta("morning.")]


def events(*pieces: Piece) -> FakeReply:
    return event_reply(*(pieces or [*DELTAS, done()]))


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
    """A form as a provider received it."""

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


class TranscriptionWorld(ScriptedWorld):
    """Every transcription model of the catalog as it is deployed."""

    def __init__(self, *replies: FakeReply | TransportFailure, environment: Mapping[str, str] | None = None) -> None:
        models = tuple(map(shipped, (WHISPER, GPT, MINI, DIARIZE)))
        super().__init__(*replies, models=models, environment=environment)

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
    ) -> EventClient:
        form = form or a_form(model, audio, **given)
        return await self.ended(self.transcription.answer(caller, endpoint, form, self.context()), EventClient())


def usage_of(client: EventClient) -> Mapping[str, Any]:
    assert client.body is not None
    usage: Mapping[str, Any] = client.body["usage"]
    return {**usage, "cost": float(usage["cost"])}
