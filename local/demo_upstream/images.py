"""POST /images/generations and /images/edits: real pictures of the asked size, the same for the same words."""

import asyncio
import binascii
import io
import math
import re
import time
from base64 import b64decode, b64encode
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256, shake_256
from random import Random
from typing import TYPE_CHECKING, Any

import orjson

from local.demo_upstream.behaviours import Quirk
from local.demo_upstream.dialects import Script
from local.demo_upstream.serving import NAMED, Call
from local.demo_upstream.wire import BadRequest, Json, missing, named_event, unknown

if TYPE_CHECKING:
    from PIL import Image

Size = tuple[int, int]

IMAGES_MAX = 10
SIDE_MIN, SIDE_MAX = 16, 4096
SIZE_DEFAULT = "1024x1024"
MEGAPIXEL = 1024 * 1024
# OpenAI's numbers for a square picture; a partial one costs a hundred more.
TOKENS_PER_MEGAPIXEL = {"low": 272, "medium": 1056, "high": 4160}
INPUT_TOKENS = 85
PARTIAL_TOKENS = 100
PARTIALS_MAX = 3
INPUTS_MAX = 16
FETCH_TIMEOUT_S = 10.0
FETCH_BYTES_MAX = 50_000_000
GALLERY_MAX = 64
GALLERY_ROUTE = "/_images/"
KEPT_MAX = 32
BLOCKS = 8
_PARTIAL_BLOCKS = (2, 3, 5)
_COLOURS = 16
_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")
_NOT_BASE64 = "this is not base64!"
# JPEG and WebP need no better quality for flat blocks; WebP's fastest method draws a megapixel in 30 ms.
_SAVE_OPTIONS: dict[str, dict[str, int]] = {
    "png": {"compress_level": 6},
    "jpeg": {"quality": 80},
    "webp": {"quality": 80, "method": 0},
}


class NoPicture(ValueError):
    """The bytes are not a picture."""


async def generate(call: Call) -> None:
    """Draw pictures from words."""
    _refuse_unknown(call)
    await _answer(call, _drawing(call), "image_generation")


async def edit(call: Call) -> None:
    """Draw pictures from words and pictures."""
    _refuse_unknown(call)
    await _answer(call, _drawing(call, tuple(await _inputs(call))), "image_edit")


@lru_cache(maxsize=KEPT_MAX)
def picture(words: str, size: Size, kind: str, blocks: int = BLOCKS) -> bytes:
    """Coloured blocks, mirrored: a PNG, JPEG or WebP of exactly this size, a few kilobytes."""
    from PIL import Image  # not paid for by chat alone

    seed = shake_256(words.encode()).digest(blocks * blocks + 3 * _COLOURS)
    rows = [seed[at : at + (blocks + 1) // 2] for at in range(0, blocks * blocks, blocks)]
    mirrored = b"".join(bytes(one % _COLOURS for one in (row + row[: blocks // 2][::-1])) for row in rows)
    drawn = Image.frombytes("P", (blocks, blocks), mirrored)
    drawn.putpalette(seed[-3 * _COLOURS :])
    drawn = drawn.resize(size, Image.Resampling.NEAREST)
    return _saved(drawn if kind == "png" else drawn.convert("RGB"), kind)


def noise(words: str, size: Size, kind: str) -> bytes:
    """A picture that cannot be compressed: about three bytes a pixel as PNG."""
    from PIL import Image

    pixels = Random(words).randbytes(3 * size[0] * size[1])  # noqa: S311 - a picture, not a secret
    return _saved(Image.frombytes("RGB", size, pixels), kind)


class Gallery:
    """The latest pictures that were answered as URLs."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, bytes] = OrderedDict()

    def keep(self, picture: bytes) -> str:
        """The path at which the picture can be read; the oldest one makes room."""
        name = sha256(picture).hexdigest()[:32]
        self._kept[name] = picture
        self._kept.move_to_end(name)
        if len(self._kept) > GALLERY_MAX:
            self._kept.popitem(last=False)
        return f"{GALLERY_ROUTE}{name}.png"

    def find(self, path: str) -> bytes | None:
        """The picture at a path that `keep` returned, or None."""
        return self._kept.get(path.partition(GALLERY_ROUTE)[2].removesuffix(".png"))


GALLERY = Gallery()


@dataclass(frozen=True, slots=True)
class Drawing:
    """An image request of any model."""

    prompt: str
    inputs: tuple[bytes, ...]
    count: int
    size: Size
    quality: str
    kind: str
    partials: int
    noisy: bool
    broken: bool

    def image(self, number: int) -> bytes:
        """The finished picture; each number has its own."""
        return (noise if self.noisy else picture)(self._words(number), self.size, self.kind)

    def encoded(self, number: int) -> str:
        """The finished picture in base64."""
        return _NOT_BASE64 if self.broken else b64encode(self.image(number)).decode()

    def partial(self, number: int, step: int) -> str:
        """An earlier, coarser state of it, in base64."""
        return b64encode(picture(self._words(number), self.size, self.kind, _PARTIAL_BLOCKS[step])).decode()

    def _words(self, number: int) -> str:
        return " ".join([self.prompt, str(number), *(sha256(one).hexdigest() for one in self.inputs)])


def _drawing(call: Call, inputs: tuple[bytes, ...] = ()) -> Drawing:
    """Raises BadRequest where OpenAI would answer 400."""
    fields = call.fields
    quality = fields.choice("quality", ("auto", *TOKENS_PER_MEGAPIXEL, "standard", "hd"), "auto")
    return Drawing(
        prompt=fields.required_text("prompt"),
        inputs=inputs,
        count=fields.integer("n", 1, 1, IMAGES_MAX),
        size=_size(fields.text("size")),
        quality=quality if quality in TOKENS_PER_MEGAPIXEL else "medium",
        kind="png" if _is_dall_e(call) else fields.choice("output_format", ("png", "jpeg", "webp"), "png"),
        partials=fields.integer("partial_images", 0, 0, PARTIALS_MAX),
        noisy=call.quirk is Quirk.NOISE,
        broken=call.quirk is Quirk.BAD_BASE64,
    )


def _is_dall_e(call: Call) -> bool:
    """True if the model answers and bills as DALL·E does: no tokens, URLs unless asked otherwise."""
    return call.base.startswith("dall-e")


def _size(asked: str | None) -> Size:
    found = _SIZE.fullmatch(SIZE_DEFAULT if asked in (None, "auto") else asked)
    if found is None:
        raise BadRequest(f"Invalid value: {asked!r}. Expected WIDTHxHEIGHT or 'auto'.", "size", "invalid_value")
    width, height = int(found[1]), int(found[2])
    if not (SIDE_MIN <= width <= SIDE_MAX and SIDE_MIN <= height <= SIDE_MAX):
        raise BadRequest(f"Invalid 'size': sides of {SIDE_MIN} to {SIDE_MAX} pixels.", "size", "invalid_value")
    return width, height


def _refuse_unknown(call: Call) -> None:
    """Each family refuses the fields that only the other one has."""
    if _is_dall_e(call):
        if call.fields.flag("stream"):
            raise unknown("stream")
    elif call.fields.get("response_format") is not None:
        raise unknown("response_format")


async def _answer(call: Call, drawing: Drawing, event: str) -> None:
    if call.streams:
        script = await asyncio.to_thread(_script, call, drawing, event)
        await call.play(NAMED, lambda: script)
        return
    body: Json = {"created": int(time.time()), "data": await asyncio.to_thread(_items, call, drawing)}
    if not _is_dall_e(call):
        body |= _described(call, drawing)
        usage = _usage(call, drawing, drawing.count, 0, with_input=True)
        body |= {} if usage is None else {"usage": usage}
    await call.respond(orjson.dumps(body))


def _items(call: Call, drawing: Drawing) -> list[Json]:
    if call.quirk is Quirk.NO_DATA:
        return []
    count = drawing.count - (call.quirk is Quirk.FEWER)
    items = [_item(call, drawing, number) for number in range(count)]
    if call.base.startswith("dall-e-3"):
        revised = f"A demo picture of {drawing.prompt}"
        return [{"revised_prompt": revised, **item} for item in items]
    return items


def _item(call: Call, drawing: Drawing, number: int) -> Json:
    if call.quirk is Quirk.BLANK_ITEM:
        return {}
    if _is_dall_e(call) and call.fields.choice("response_format", ("url", "b64_json"), "url") == "url":
        return {"url": call.origin + GALLERY.keep(drawing.image(number))}
    return {"b64_json": drawing.encoded(number)}


def _described(call: Call, drawing: Drawing) -> Json:
    background = call.fields.text("background")
    return {
        "background": "opaque" if background in (None, "auto") else background,
        "output_format": drawing.kind,
        "quality": drawing.quality,
        "size": f"{drawing.size[0]}x{drawing.size[1]}",
    }


def _script(call: Call, drawing: Drawing, event: str) -> Script:
    """The pictures one after the other; each completed event has the usage of its own picture."""
    body: list[bytes] = []
    described = {"created_at": int(time.time()), **_described(call, drawing)}
    if call.quirk is Quirk.NO_DATA:
        return Script([], [], [])
    for number in range(drawing.count - (call.quirk is Quirk.FEWER)):
        body += _partials(drawing, number, event, described)
        body.append(_completed(call, drawing, number, event, described))
    # A stream that breaks loses its last picture; where there is one picture, that is the point of the stream.
    return Script([], body[:-1], body[-1:])


def _partials(drawing: Drawing, number: int, event: str, described: Json) -> list[bytes]:
    return [
        named_event(
            f"{event}.partial_image",
            {"b64_json": drawing.partial(number, step), "partial_image_index": step, **described},
        )
        for step in range(drawing.partials)
    ]


def _completed(call: Call, drawing: Drawing, number: int, event: str, described: Json) -> bytes:
    usage = _usage(call, drawing, 1, drawing.partials, with_input=number == 0)
    image = {} if call.quirk is Quirk.BLANK_ITEM else {"b64_json": drawing.encoded(number)}
    return named_event(f"{event}.completed", {**image, **described, **({} if usage is None else {"usage": usage})})


def _usage(call: Call, drawing: Drawing, count: int, partials: int, *, with_input: bool) -> Json | None:
    """Tokens of `count` pictures; the input is counted once for an answer."""
    text = len(drawing.prompt.split()) if with_input else 0
    images = INPUT_TOKENS * len(drawing.inputs) if with_input else 0
    megapixels = drawing.size[0] * drawing.size[1] / MEGAPIXEL
    tokens = count * math.ceil(TOKENS_PER_MEGAPIXEL[drawing.quality] * megapixels) + partials * PARTIAL_TOKENS

    def shape(given: Any, made: Any, total: Any) -> Json:
        return {
            "input_tokens": given,
            "input_tokens_details": {"text_tokens": text, "image_tokens": images},
            "output_tokens": made,
            "output_tokens_details": {"text_tokens": 0, "image_tokens": made},
            "total_tokens": total,
        }

    return call.report(text + images, tokens, shape)


async def _inputs(call: Call) -> list[bytes]:
    """The pictures of an edit with the mask behind them. Raises BadRequest for what cannot be decoded."""
    found = await _given(call)
    if len(found) > INPUTS_MAX + 1:
        raise BadRequest(f"Invalid 'image': at most {INPUTS_MAX} images.", "image", "array_above_max_length")
    for data in found:
        try:
            await asyncio.to_thread(_check_picture, data)
        except NoPicture as exc:
            raise BadRequest("Invalid image file or mode.", "image", "invalid_image_file") from exc
    return found


async def _given(call: Call) -> list[bytes]:
    """The files of a form, or data URLs and URLs to fetch."""
    files = call.files.get("image", [])
    if files:
        return [one.data for one in (*files, *call.files.get("mask", []))]
    images = call.fields.get("images")
    if not isinstance(images, list) or not images:
        raise missing("image")
    mask = call.fields.get("mask")
    return [await _referenced(one) for one in (*images, *([] if mask is None else [mask]))]


async def _referenced(reference: Any) -> bytes:
    url = reference.get("image_url") if isinstance(reference, dict) else None
    if not isinstance(url, str):
        raise BadRequest("Invalid 'images': expected objects with an image_url.", "images", "invalid_type")
    if not url.startswith("data:"):
        return await _fetched(url)
    try:
        return b64decode(url.partition(",")[2], validate=True)
    except binascii.Error as exc:
        raise BadRequest("Invalid 'images': not base64.", "images", "invalid_base64") from exc


async def _fetched(url: str) -> bytes:
    import httpx

    data = bytearray()
    try:
        async with httpx.AsyncClient(timeout=FETCH_TIMEOUT_S, trust_env=False) as client:
            async with client.stream("GET", url) as answer:
                answer.raise_for_status()
                async for part in answer.aiter_bytes():
                    data += part
                    if len(data) > FETCH_BYTES_MAX:
                        raise BadRequest("The image is too large.", "images", "invalid_image_url")
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        raise BadRequest("Error while downloading the image.", "images", "invalid_image_url") from exc
    return bytes(data)


def _check_picture(data: bytes) -> None:
    """Raises NoPicture for what cannot be decoded."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as found:
            found.load()
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as exc:
        raise NoPicture(str(exc)) from exc


def _saved(drawn: "Image.Image", kind: str) -> bytes:
    file = io.BytesIO()
    drawn.save(file, kind, **_SAVE_OPTIONS[kind])
    return file.getvalue()
