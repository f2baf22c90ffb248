"""The images service with its real dialect, over a ChatWorld and providers at the transport."""

from base64 import b64encode
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from multiconnection.calls.streaming import StreamedAnswer
from multiconnection.catalog.models import Model
from multiconnection.errors import GatewayError
from multiconnection.images.fetch import PictureUnreachable
from multiconnection.images.service import ImagesService
from multiconnection.images.upstream import OpenAiImages
from multiconnection.keys.models import Caller
from multiconnection.ledger.models import UsageRow
from multiconnection.providers.errors import TransportFailure
from multiconnection.web.forms import Form
from tests.support.event_stream import without_comments

from .chat_world import ChatWorld, Client, a_model
from .fake_http import FakeReply, json_reply
from .speech_world import Piece, TimedReply, event, shipped

DALLE, MINI, GPT = "dall-e-3", "gpt-image-1-mini", "gpt-image-1.5"
PNG = b"\x89PNG\r\n\x1a\nfirst"
PNG_2 = b"\x89PNG\r\n\x1a\nsecond"
JPEG = b"\xff\xd8\xff\xe0jpeg"
WEBP = b"RIFF\x00\x00\x00\x00WEBPwebp"
GIF = b"GIF89agif"
USAGE = {
    "total_tokens": 1425,
    "input_tokens": 50,
    "output_tokens": 1375,
    "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
}
TOLD = {"background": "opaque", "output_format": "png", "quality": "medium", "size": "1024x1024"}


def b64(data: bytes) -> str:
    return b64encode(data).decode()


def item(data: bytes = PNG, **more: Any) -> dict[str, Any]:
    return {"b64_json": b64(data), **more}


def images(*items: object, usage: object = None, **told: Any) -> FakeReply:
    """A whole answer; without items, of one image."""
    data = list(items) or [item()]
    return json_reply({"created": 1_713_833_628, "data": data, **told, **({} if usage is None else {"usage": usage})})


def partial(data: bytes = PNG, index: int = 0, kind: str = "image_generation") -> bytes:
    return event(f"{kind}.partial_image", b64_json=b64(data), partial_image_index=index, created_at=7, **TOLD)


def completed(data: bytes = PNG, usage: object = USAGE, kind: str = "image_generation", **more: Any) -> bytes:
    told = {**TOLD, **more, **({} if usage is None else {"usage": usage})}
    return event(f"{kind}.completed", b64_json=b64(data), created_at=8, **told)


def events(*pieces: Piece) -> TimedReply:
    return TimedReply(pieces, media_type="text/event-stream; charset=utf-8")


@dataclass
class FakePictures:
    """Pictures by URL, and the URLs that were asked for."""

    found: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def get(self, url: str, bytes_max: int) -> bytes:
        self.asked.append(url)
        if url not in self.found:
            raise PictureUnreachable(url)
        return self.found[url]


class ImagesWorld(ChatWorld):
    """Every image model of the catalog as it is deployed, and the chat model of all other tests."""

    def __init__(
        self, *replies: FakeReply | TransportFailure, inline_bytes_max: int = 1000, models: tuple[Model, ...] = ()
    ) -> None:
        super().__init__(a_model(), *(models or map(shipped, (DALLE, MINI, GPT))))
        self.http.replies = list(replies)
        self.scripted = list(replies)
        self.pictures = FakePictures()
        self.images = ImagesService(
            self.calls, OpenAiImages(self.http, self.pictures.get), self.uploads, inline_bytes_max
        )

    async def draw(self, caller: Caller, **body: Any) -> Client:
        """One call to its end, whatever the end is."""
        whole = {"model": DALLE, "prompt": "A cat", **body}
        return await _ended(self.images.generate(caller, whole, self.arrival()))

    async def edit(self, caller: Caller, **body: Any) -> Client:
        whole = {"model": MINI, "prompt": "A hat on it", **body}
        return await _ended(self.images.edit(caller, whole, self.arrival()))

    async def edit_form(self, caller: Caller, form: Form) -> Client:
        return await _ended(self.images.edit_form(caller, form, self.arrival()))

    async def settled_row(self, account_id: str = "a1") -> UsageRow:
        """As for chat; and no connection to a provider is left."""
        asked = [reply for reply in self.scripted if isinstance(reply, FakeReply) and reply not in self.http.replies]
        assert all(reply.closed for reply in asked)
        return await super().settled_row(account_id)

    async def assert_untouched(self) -> None:
        """No money was set aside, nothing was sent to a provider."""
        assert self.http.posted == []
        assert await self.rows() == []
        assert (await self.account()).holds == {}


def told_events(client: Client) -> list[dict[str, Any]]:
    """The data of the events that a client received; one line each, and named as the data says."""
    told = []
    for block in without_comments(client.text).split(b"\n\n")[:-1]:
        name, data = block.split(b"\n")
        told.append(orjson.loads(data.removeprefix(b"data: ")))
        assert name == b"event: " + told[-1]["type"].encode()
    return told


async def _ended(answering: Awaitable[Mapping[str, Any] | StreamedAnswer]) -> Client:
    client = Client()
    try:
        answer = await answering
    except GatewayError as exc:
        client.refused = exc
        return client
    if isinstance(answer, StreamedAnswer):
        await answer.relay(client.send)
    else:
        client.body = answer
    return client
