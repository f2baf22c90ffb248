"""The images service with its real dialect, over a ChatWorld and providers at the transport."""

from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any

from multiconnection.catalog.models import Model
from multiconnection.images.fetch import PictureUnreachable
from multiconnection.images.service import ImagesService
from multiconnection.images.upstream import OpenAiImages
from multiconnection.keys.models import Caller
from multiconnection.providers.errors import TransportFailure
from multiconnection.web.forms import Form

from .fake_http import FakeReply, event_reply, json_reply, named_event
from .scripted_world import EventClient, ScriptedWorld, shipped

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
events = event_reply


def b64(data: bytes) -> str:
    return b64encode(data).decode()


def item(data: bytes = PNG, **more: Any) -> dict[str, Any]:
    return {"b64_json": b64(data), **more}


def images(*items: object, usage: object = None, **told: Any) -> FakeReply:
    """A whole answer; without items, of one image."""
    data = list(items) or [item()]
    return json_reply({"created": 1_713_833_628, "data": data, **told, **({} if usage is None else {"usage": usage})})


def partial(data: bytes = PNG, index: int = 0, kind: str = "image_generation") -> bytes:
    return named_event(f"{kind}.partial_image", b64_json=b64(data), partial_image_index=index, created_at=7, **TOLD)


def completed(data: bytes = PNG, usage: object = USAGE, kind: str = "image_generation", **more: Any) -> bytes:
    told = {**TOLD, **more, **({} if usage is None else {"usage": usage})}
    return named_event(f"{kind}.completed", b64_json=b64(data), created_at=8, **told)


@dataclass
class FakePictures:
    """Pictures by URL, and the URLs that were requested."""

    found: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def get(self, url: str, bytes_max: int) -> bytes:
        self.asked.append(url)
        if url not in self.found:
            raise PictureUnreachable(url)
        return self.found[url]


class ImagesWorld(ScriptedWorld):
    """Every image model of the catalog as it is deployed."""

    def __init__(
        self, *replies: FakeReply | TransportFailure, inline_bytes_max: int = 1000, models: tuple[Model, ...] = ()
    ) -> None:
        super().__init__(*replies, models=models or tuple(map(shipped, (DALLE, MINI, GPT))))
        self.pictures = FakePictures()
        self.images = ImagesService(
            self.calls, OpenAiImages(self.http, self.pictures.get), self.uploads, inline_bytes_max
        )

    async def generate(self, caller: Caller, **body: Any) -> EventClient:
        whole = {"model": DALLE, "prompt": "A cat", **body}
        return await self.ended(self.images.generate(caller, whole, self.context()), EventClient())

    async def edit(self, caller: Caller, **body: Any) -> EventClient:
        whole = {"model": MINI, "prompt": "A hat on it", **body}
        return await self.ended(self.images.edit(caller, whole, self.context()), EventClient())

    async def edit_form(self, caller: Caller, form: Form) -> EventClient:
        return await self.ended(self.images.edit_form(caller, form, self.context()), EventClient())
