"""What an image request wants, and the pictures and token counts it gives."""

import math
import re
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from local.demo_upstream.ask import BadRequest
from local.demo_upstream.behaviours import Quirk
from local.demo_upstream.call import Call, Usage
from local.demo_upstream.compose import IMAGE_TOKENS
from local.demo_upstream.pictures import Size, noise, picture

IMAGES_MAX = 10
SIDE_MIN, SIDE_MAX = 16, 4096
SIZE_DEFAULT = "1024x1024"
MEGAPIXEL = 1024 * 1024
# OpenAI's numbers for a square picture; a partial one costs a hundred more.
TOKENS_PER_MEGAPIXEL = {"low": 272, "medium": 1056, "high": 4160}
PARTIAL_TOKENS = 100
PARTIALS_MAX = 3
_PARTIAL_BLOCKS = (2, 3, 5)
_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")
_NOT_BASE64 = "this is not base64!"


@dataclass(frozen=True, slots=True)
class Drawing:
    """One image request of any model."""

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

    def size_text(self) -> str:
        """As the answer tells it."""
        return f"{self.size[0]}x{self.size[1]}"


def drawing_of(call: Call, inputs: tuple[bytes, ...] = ()) -> Drawing:
    """Raises BadRequest where OpenAI would answer 400."""
    fields, classic = call.fields, is_dall_e(call)
    quality = fields.choice("quality", ("auto", *TOKENS_PER_MEGAPIXEL, "standard", "hd"), "auto")
    return Drawing(
        prompt=fields.required_text("prompt"),
        inputs=inputs,
        count=fields.integer("n", 1, 1, IMAGES_MAX),
        size=_size(fields.text("size")),
        quality=quality if quality in TOKENS_PER_MEGAPIXEL else "medium",
        kind="png" if classic else fields.choice("output_format", ("png", "jpeg", "webp"), "png"),
        partials=fields.integer("partial_images", 0, 0, PARTIALS_MAX),
        noisy=call.quirk is Quirk.NOISE,
        broken=call.quirk is Quirk.BAD_BASE64,
    )


def is_dall_e(call: Call) -> bool:
    """Whether the model answers and bills as DALL·E does: no tokens, URLs unless asked otherwise."""
    return call.base.startswith("dall-e")


def usage_of(call: Call, drawing: Drawing, count: int, partials: int, *, with_input: bool) -> Usage | None:
    """Tokens of `count` pictures; the input is counted once an answer."""
    text = len(drawing.prompt.split()) if with_input else 0
    images = IMAGE_TOKENS * len(drawing.inputs) if with_input else 0
    megapixels = drawing.size[0] * drawing.size[1] / MEGAPIXEL
    made = count * math.ceil(TOKENS_PER_MEGAPIXEL[drawing.quality] * megapixels) + partials * PARTIAL_TOKENS
    return call.report(text + images, made, lambda given, out, total: _shaped(given, out, total, text, images))


def _shaped(given: Any, made: Any, total: Any, text: int, images: int) -> Usage:
    return {
        "input_tokens": given,
        "input_tokens_details": {"text_tokens": text, "image_tokens": images},
        "output_tokens": made,
        "output_tokens_details": {"text_tokens": 0, "image_tokens": made},
        "total_tokens": total,
    }


def _size(asked: str | None) -> Size:
    found = _SIZE.fullmatch(SIZE_DEFAULT if asked in (None, "auto") else asked)
    if found is None:
        raise BadRequest(f"Invalid value: {asked!r}. Expected WIDTHxHEIGHT or 'auto'.", "size", "invalid_value")
    width, height = int(found[1]), int(found[2])
    if not (SIDE_MIN <= width <= SIDE_MAX and SIDE_MIN <= height <= SIDE_MAX):
        raise BadRequest(f"Invalid 'size': sides of {SIDE_MIN} to {SIDE_MAX} pixels.", "size", "invalid_value")
    return width, height
