"""The paid endpoints of /v1 in one table: how each is asked, what a provider answers, and what the call costs.

The tests that all of them share are in tests/calls: test_endpoints.py and test_endpoint_streams.py over ASGI, and in
tests/integration/test_endpoints_server.py over real sockets.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import orjson
from starlette.types import Message

from multiconnection.providers.errors import TransportFailure
from multiconnection.usage import UsageSource

from . import images_world, speech_world, transcription_world
from .audio_files import wav
from .chat_app import ChatApp
from .chat_world import IP, MESSAGES, a_model
from .event_stream import without_comments
from .fake_http import FakeReply, event_reply, json_reply
from .scripted_world import ScriptedWorld, shipped

NAMED_ERROR = b'event: error\ndata: {"type":"error","error":{"message":"boom","code":"server_error"}}\n\n'
PLAIN_ERROR = b'data: {"error":{"message":"boom","type":"server_error","param":null,"code":null}}\n\n'
DONE = b"data: [DONE]\n\n"
ESTIMATED, REQUEST, UPSTREAM = UsageSource.ESTIMATED, UsageSource.REQUEST, UsageSource.UPSTREAM

# A red pixel, which the demo upstream can decode.
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415478da63f8cfc000"
    "0003010100f70341430000000049454e44ae426082"
)


@dataclass(frozen=True)
class Stream:
    """A provider's stream in two parts, for answers that break between them.

    `shown` is what the caller has received of the first part, `done` what only a whole answer has. `cost` is the price
    of the first part, for vendors that bill it and for our own deadline. `is_raw`: bytes without room for an error.
    """

    begun: Sequence[bytes]
    end: Sequence[bytes]
    shown: bytes
    done: bytes
    cost: int
    source: UsageSource = ESTIMATED
    error: bytes = NAMED_ERROR
    is_raw: bool = False

    @property
    def from_events(self) -> bool:
        return self.begun[0].startswith((b"event: ", b"data: "))

    def reply(self, *pieces: bytes | float | TransportFailure) -> FakeReply:
        """The first part, and then `pieces`."""
        whole = (*self.begun, *pieces)
        return event_reply(*whole) if self.from_events else speech_world.audio(*whole)


@dataclass(frozen=True)
class Endpoint:
    """One way to ask for an answer. `kind` is the endpoint in its usage row, `cost` the price of the good answer."""

    name: str
    path: str
    kind: str
    model: str
    fields: Mapping[str, Any]
    answer: Callable[[], FakeReply]
    cost: int
    source: UsageSource = UPSTREAM
    files: Mapping[str, tuple[str, bytes, str]] = field(default_factory=dict)
    stream: Stream | None = None
    streamed: bool = False

    @property
    def is_form(self) -> bool:
        return bool(self.files)

    @property
    def is_raw(self) -> bool:
        """Whether the caller gets bytes without room for an error or a cost."""
        return self.stream is not None and self.stream.is_raw

    @property
    def asks_for_events(self) -> bool:
        return self.stream is not None and self.stream.from_events

    @property
    def error_event(self) -> bytes:
        """A failure in a provider's stream."""
        assert self.stream is not None
        return self.stream.error

    def request(self, headers: Mapping[str, str], **changes: Any) -> httpx.Request:
        """The request with some fields changed."""
        body = {"model": self.model, **self.fields, **changes}
        if self.is_form:
            return httpx.Request("POST", f"http://gateway{self.path}", data=body, files=self.files, headers=headers)
        return httpx.Request("POST", f"http://gateway{self.path}", json=body, headers=headers)


def streaming(name: str, like: Endpoint, fields: Mapping[str, Any], stream: Stream) -> Endpoint:
    """The endpoint asked for a stream, with `fields` that say so."""
    return replace(
        like,
        name=name,
        fields={**like.fields, **fields},
        answer=lambda: stream.reply(*stream.end),
        stream=stream,
        streamed=True,
    )


# Images: a price of $0.04, and 10 x 2,000 + 40 x 2,500 + 1,375 x 8,000 n$ by tokens.
IMAGE = Endpoint(
    "images of a price",
    "/v1/images/generations",
    "images.generations",
    images_world.DALLE,
    {"prompt": "A cat"},
    images_world.images,
    40_000_000,
)
IMAGE_BY_TOKENS = replace(
    IMAGE,
    name="images by tokens",
    model=images_world.MINI,
    cost=11_120_000,
    answer=lambda: images_world.images(usage=images_world.USAGE),
)
EDIT = replace(
    IMAGE_BY_TOKENS,
    name="image edits",
    path="/v1/images/edits",
    kind="images.edits",
    files={"image": ("a.png", PIXEL, "image/png")},
)
EDIT_BY_LINK = replace(
    IMAGE_BY_TOKENS,
    name="image edits by link",
    path=EDIT.path,
    kind=EDIT.kind,
    fields={"prompt": "A cat", "images": [{"image_url": "https://pictures.example/1.png"}]},
)
PARTIAL = Stream(
    [images_world.partial()],
    [images_world.completed()],
    images_world.partial(),
    b"image_generation.completed",
    13 * 2_000 + 100 * 8_000,
)
IMAGE_STREAM = streaming("images as events", IMAGE_BY_TOKENS, {"stream": True, "partial_images": 1}, PARTIAL)
EDIT_STREAM = streaming(
    "image edits as events",
    EDIT,
    {"stream": "true", "partial_images": "1"},
    replace(
        PARTIAL,
        begun=[images_world.partial(kind="image_edit")],
        end=[images_world.completed(kind="image_edit")],
        shown=images_world.partial(kind="image_edit"),
        done=b"image_edit.completed",
        cost=PARTIAL.cost + 2_048 * 2_500,
    ),
)

# Speech: 13 characters of 15,000 n$, or 14 x 600 + 101 x 12,000 n$. 15 bytes of MP3 are at most one token of audio.
SPEECH = Endpoint(
    "speech by characters",
    "/v1/audio/speech",
    "audio.speech",
    speech_world.TTS,
    {"input": "Good morning.", "voice": "alloy"},
    speech_world.audio,
    13 * 15_000,
    REQUEST,
    stream=Stream(
        speech_world.AUDIO[:2],
        speech_world.AUDIO[2:],
        b"".join(speech_world.AUDIO[:2]),
        speech_world.AUDIO[2],
        13 * 15_000,
        REQUEST,
        is_raw=True,
    ),
    streamed=True,
)
_SPOKEN = Stream(
    [*map(speech_world.delta, speech_world.AUDIO[:2])],
    [speech_world.delta(speech_world.AUDIO[2]), speech_world.done()],
    b"".join(speech_world.AUDIO[:2]),
    speech_world.AUDIO[2],
    4 * 600 + 12_000,
    is_raw=True,
)
SPEECH_BY_TOKENS = replace(
    SPEECH,
    name="speech by tokens",
    model=speech_world.MINI,
    answer=speech_world.events,
    stream=_SPOKEN,
    cost=14 * 600 + 101 * 12_000,
    source=UPSTREAM,
)
SPEECH_EVENTS = streaming(
    "speech as events",
    SPEECH_BY_TOKENS,
    {"stream_format": "sse"},
    replace(_SPOKEN, shown=b"".join(_SPOKEN.begun), done=b"speech.audio.done", is_raw=False),
)
SPEECH_AT_CHAT = replace(SPEECH, name="speech at the chat endpoint", path="/v1/chat/completions")
SPEECH_EVENTS_AT_CHAT = replace(
    SPEECH_EVENTS, name="speech as events at the chat endpoint", path="/v1/chat/completions"
)

# Transcriptions of 2.5 seconds: 3 s of 100,000 n$, or 6 x 2,500 + 25 x 6,000 + 4 x 10,000 n$.
TRANSCRIPTION = Endpoint(
    "transcriptions by seconds",
    "/v1/audio/transcriptions",
    "audio.transcriptions",
    transcription_world.WHISPER,
    {},
    lambda: transcription_world.answer({"text": transcription_world.TEXT, "usage": {"seconds": 3}}),
    300_000,
    files={"file": ("speech.wav", wav(), "audio/wav")},
)
TRANSLATION = replace(TRANSCRIPTION, name="translations", path="/v1/audio/translations", kind="audio.translations")
TRANSCRIPTION_BY_TOKENS = replace(
    TRANSCRIPTION,
    name="transcriptions by tokens",
    model=transcription_world.GPT,
    cost=205_000,
    answer=lambda: transcription_world.answer({"text": transcription_world.TEXT, "usage": transcription_world.TOKENS}),
)
TRANSCRIPTION_STREAM = streaming(
    "transcriptions as events",
    TRANSCRIPTION_BY_TOKENS,
    {"stream": "true"},
    Stream(
        transcription_world.DELTAS,
        [transcription_world.done()],
        b"".join(transcription_world.DELTAS),
        b"transcript.text.done",
        25 * 6_000 + 4 * 10_000,
    ),
)
TRANSCRIPTION_MADE_EVENTS = replace(
    TRANSCRIPTION, name="transcriptions made events", fields={"stream": "true"}, streamed=True
)

# Chat and completions at 1,000 and 2,000 n$ a token, 250 for a cached one; embeddings at 20 n$.
CHAT_MODEL = a_model(capabilities=["streaming", "completions"])
EMBEDDING_MODEL = a_model(
    id="e-1",
    code="e01",
    aliases=[],
    kind="embedding",
    prices={"input": "0.02"},
    context_window=100,
    max_output_tokens=0,
)
_USAGE = {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}
EMBEDDING = Endpoint(
    "embeddings",
    "/v1/embeddings",
    "embeddings",
    "e-1",
    {"input": "hi"},
    lambda: json_reply(
        {
            "object": "list",
            "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 1.0]}],
            "usage": {"prompt_tokens": 3, "total_tokens": 3},
        }
    ),
    60,
)


def _chunk(choice: Mapping[str, Any], of: str, **more: Any) -> bytes:
    choices = [{"index": 0, "logprobs": None, "finish_reason": None, **choice}] if choice else []
    body = {"id": "c-1", "object": of, "created": 5, "model": "m", "choices": choices, **more}
    return b"data: " + orjson.dumps(body) + b"\n\n"


def _chat_chunk(choice: Mapping[str, Any], **more: Any) -> bytes:
    return _chunk(choice, "chat.completion.chunk", **more)


def _text_chunk(choice: Mapping[str, Any], **more: Any) -> bytes:
    return _chunk(choice, "text_completion", **more)


COMPLETION = Endpoint(
    "completions",
    "/v1/completions",
    "completions",
    "m-1",
    {"prompt": "Say"},
    lambda: json_reply(
        {"id": "c-1", "choices": [{"index": 0, "text": "Hello", "finish_reason": "stop"}], "usage": _USAGE}
    ),
    2 * 1_000 + 3 * 2_000,
)
COMPLETION_STREAM = streaming(
    "completions as events",
    COMPLETION,
    {"stream": True},
    Stream(
        [_text_chunk({"text": "Hel"}), _text_chunk({"text": "lo"})],
        [_text_chunk({"text": "", "finish_reason": "stop"}), _text_chunk({}, usage=_USAGE), DONE],
        b'"text":"lo"',
        DONE,
        1 * 1_000 + 2 * 2_000,
        error=PLAIN_ERROR,
    ),
)
CHAT = Endpoint(
    "chat",
    "/v1/chat/completions",
    "chat.completions",
    "m-1",
    # Without a limit the balance would be one.
    {"messages": MESSAGES, "max_tokens": 100},
    lambda: json_reply(
        {
            "id": "c-1",
            "object": "chat.completion",
            "created": 5,
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
            "usage": _USAGE,
        }
    ),
    2 * 1_000 + 3 * 2_000,
)
CHAT_STREAM = streaming(
    "chat as events",
    CHAT,
    {"stream": True},
    Stream(
        [_chat_chunk({"delta": {"content": "Hel"}}), _chat_chunk({"delta": {"content": "lo"}})],
        [_chat_chunk({"delta": {}, "finish_reason": "stop"}), _chat_chunk({}, usage=_USAGE), DONE],
        b'"content":"lo"',
        DONE,
        5 * 1_000 + 2 * 2_000,
        error=PLAIN_ERROR,
    ),
)

ALL = (
    IMAGE,
    IMAGE_BY_TOKENS,
    IMAGE_STREAM,
    EDIT,
    EDIT_BY_LINK,
    EDIT_STREAM,
    SPEECH,
    SPEECH_BY_TOKENS,
    SPEECH_EVENTS,
    SPEECH_AT_CHAT,
    SPEECH_EVENTS_AT_CHAT,
    TRANSCRIPTION,
    TRANSCRIPTION_BY_TOKENS,
    TRANSCRIPTION_STREAM,
    TRANSCRIPTION_MADE_EVENTS,
    TRANSLATION,
    EMBEDDING,
    COMPLETION,
    COMPLETION_STREAM,
    CHAT,
    CHAT_STREAM,
)


class EndpointWorld(ScriptedWorld):
    """A model for every endpoint; all of them reach their providers through their real dialects."""

    def __init__(self, *replies: FakeReply | TransportFailure, environment: Mapping[str, str] | None = None) -> None:
        names = {endpoint.model for endpoint in ALL} - {"m-1", "e-1"}
        super().__init__(*replies, models=(EMBEDDING_MODEL, *map(shipped, sorted(names))), environment=environment)
        self.models.found[0] = CHAT_MODEL
        self.connect(self.http)


@dataclass
class Received:
    """An answer as its caller received it; `is_whole` if the body ended cleanly."""

    status: int = 0
    headers: httpx.Headers = field(default_factory=httpx.Headers)
    pieces: list[bytes] = field(default_factory=list)
    is_whole: bool = False

    @property
    def content(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def events(self) -> bytes:
        return without_comments(self.content)

    @property
    def response(self) -> httpx.Response:
        return httpx.Response(self.status, headers=self.headers, content=self.content)


async def send(
    app: ChatApp, request: httpx.Request, leaves_after: int | None = None, stops_at: bytes | None = None
) -> Received:
    """Send a request over ASGI. The client leaves after so many pieces, or reads nothing behind `stops_at`."""
    found, body = Received(), [request.read()]

    async def receive() -> Message:
        if not body:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": body.pop(), "more_body": False}

    async def take(message: Message) -> None:
        if message["type"] == "http.response.start":
            found.status = message["status"]
            found.headers = httpx.Headers([(name.decode(), value.decode()) for name, value in message["headers"]])
            return
        if leaves_after is not None and len(found.pieces) >= leaves_after:
            raise OSError("the client left")
        if message.get("body"):
            found.pieces.append(message["body"])
            if stops_at is not None and stops_at in message["body"]:
                await asyncio.Event().wait()
        found.is_whole = not message.get("more_body", False)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": request.url.path,
        "raw_path": request.url.raw_path,
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "server": ("gateway", 80),
        "client": (IP, 1234),
    }
    await app.app(scope, receive, take)
    return found


async def ask(
    app: ChatApp, endpoint: Endpoint, leaves_after: int | None = None, stops_at: bytes | None = None
) -> Received:
    """Send the endpoint's request with the account's key."""
    request = endpoint.request({"authorization": f"Bearer {app.secret}"})
    return await send(app, request, leaves_after, stops_at)
