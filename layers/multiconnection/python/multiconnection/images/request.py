"""An image request understood: what is to be drawn, in which sizes and qualities, and what the model cannot do."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson
from pydantic import ValidationError

from multiconnection.calls.requests import wrong_kind
from multiconnection.catalog.bounds import CostBound, text_tokens_max
from multiconnection.catalog.models import Model, Prices, Shape
from multiconnection.catalog.parameters import EDITS as EDIT_FIELDS
from multiconnection.catalog.parameters import GENERATIONS, refuse_costly
from multiconnection.errors import ParameterUnsupported, RequestInvalid
from multiconnection.usage import Usage, UsageSource
from multiconnection.web.forms import Form
from multiconnection.web.validation import invalid

from .schemas import ImagesBody

# The cheapest of the models that draw and edit.
MODEL_DEFAULT = "gpt-image-1-mini"
AUTO = "auto"
EDITS = "image_edits"
STREAMING = "streaming"
# Ours, not the provider's: how the answer is delivered, and what is sent as files.
NOT_FORWARDED = frozenset({"model", "response_format", "image", "images", "mask", "markup"})


# What the images of one call are counted as: each at its size and quality, or by their tokens.


@dataclass(frozen=True)
class ImageTariff:
    """`shapes` are the sizes and qualities that the call can end in, the usual one first.

    `text` is all that the provider may read; `pictures` what it may look at.
    """

    model: Model
    images: int
    shapes: tuple[Shape, ...]
    text: bytes
    pictures: int = 0
    partials: int = 0

    @property
    def by_tokens(self) -> bool:
        return self.model.bills_images_by_tokens

    def cost_bound(self, markup_basis_points: int) -> CostBound:
        """All of it is fixed: no provider takes a limit for an image's tokens."""
        prices = self.model.prices
        if not self.by_tokens:
            each = max(prices.image(*shape) for shape in self.shapes)
            fixed = self.images * each
        else:
            made = self.usage_max(self.images).output_image
            fixed = self._input_pico(prices) + made * prices.dearest_output
        return CostBound(fixed, per_token_pico=0, output_tokens=0, markup_basis_points=markup_basis_points)

    def usage_max(self, images: int) -> Usage:
        """The most that so many images of this call can consume, where they are priced by their tokens."""
        tokens = max(self.model.image_terms.output_tokens[shape] for shape in self.shapes)
        made = tokens + self.partials * PARTIAL_TOKENS + WRITTEN_TOKENS_MAX
        return Usage(input=self._text_max, input_image=self._looked_at(), output_image=images * made)

    def tokens_estimate(self) -> int:
        """What token limits count until the usage is known; images that are priced each have no tokens."""
        usual = self.estimated(self.images, {}) if self.by_tokens else Usage()
        return usual.prompt_tokens + usual.completion_tokens

    def counted(self, images: int, told: Mapping[str, Any]) -> tuple[Usage, UsageSource]:
        """The usage of so many delivered images of a provider that reports none.

        Where each has a price that is no estimate: what is counted is what was delivered.
        """
        if self.by_tokens:
            return self.estimated(images, told), UsageSource.ESTIMATED
        size, quality = self._shape(told, self.model.prices.images)
        return Usage(images=images, image_size=size, image_quality=quality), UsageSource.UPSTREAM

    def estimated(self, images: int, told: Mapping[str, Any], *, with_input: bool = True) -> Usage:
        """Tokens of so many images as they are usually."""
        tokens = self.model.image_terms.output_tokens
        made = images * (tokens[self._shape(told, tokens)] + self.partials * PARTIAL_TOKENS)
        return self.input_estimate(made) if with_input else Usage(output_image=made)

    def input_estimate(self, output_image: int = 0) -> Usage:
        """What was read, usually, never above the bound."""
        return Usage(
            input=min(math.ceil(len(self.text) / TEXT_BYTES_PER_TOKEN), self._text_max),
            input_image=self._looked_at(),
            output_image=output_image,
        )

    def _input_pico(self, prices: Prices) -> int:
        return self._text_max * prices.units.get("input", 0) + self._looked_at() * prices.dearest_input

    def _looked_at(self) -> int:
        return self.pictures * self.model.image_tokens_max

    @cached_property
    def _text_max(self) -> int:
        return text_tokens_max(self.text) + TEXT_OVERHEAD_TOKENS

    def _shape(self, told: Mapping[str, Any], known: Iterable[Shape]) -> Shape:
        """As the answer says, where that has a price; else as it was asked for."""
        size, quality = self.shapes[0]
        shape = (_word(told.get("size"), size), _word(told.get("quality"), quality))
        return shape if shape in known else self.shapes[0]


@dataclass(frozen=True)
class ImageRequest:
    """`fields` are all of the caller's that go to the provider as they are."""

    fields: Mapping[str, Any]
    model: str
    prompt: str
    images: int
    size: str | None
    quality: str | None
    as_url: bool
    stream: bool
    partials: int

    @cached_property
    def text(self) -> bytes:
        """The JSON whose bytes bound what a provider can read, fields that we do not know included (see the bound of

        chat). Raises RequestInvalid for what no JSON can hold.
        """
        try:
            return orjson.dumps(self.fields)
        except TypeError as exc:
            raise RequestInvalid("The JSON of your request cannot be written: it is nested too deeply.") from exc

    def tariff(self, model: Model, pictures: int = 0) -> ImageTariff:
        """Raises RequestInvalid for a size and quality without a price."""
        partials = self.partials if self.stream else 0
        return ImageTariff(model, self.images, self._shapes(model), self.text, pictures, partials)

    def upstream_fields(self, tariff: ImageTariff) -> Mapping[str, Any]:
        """Where each image has a price, its size and quality are the provider's choice no more."""
        if tariff.by_tokens:
            return self.fields
        size, quality = tariff.shapes[0]
        return {**self.fields, "size": size, "quality": quality}

    def _shapes(self, model: Model) -> tuple[Shape, ...]:
        terms = model.image_terms
        usual = (terms.size_default, terms.quality_default)
        if not model.bills_images_by_tokens:
            asked = (_named(self.size) or usual[0], _named(self.quality) or usual[1])
            return (asked,) if asked in model.prices.images else _refused(self, model, model.prices.images)
        found = [shape for shape in terms.output_tokens if self._allows(shape)]
        if not found:
            return _refused(self, model, terms.output_tokens)
        return tuple(sorted(found, key=lambda shape: shape != usual))

    def _allows(self, shape: Shape) -> bool:
        return _named(self.size) in (None, shape[0]) and _named(self.quality) in (None, shape[1])


def parse_image_request(body: object) -> ImageRequest:
    """Raises RequestInvalid and its kinds, with `param` naming the field as OpenAI does."""
    if not isinstance(body, dict):
        raise RequestInvalid("The request body must be a JSON object.")
    try:
        parsed = ImagesBody.model_validate(body)
    except ValidationError as exc:
        raise invalid(exc) from exc
    if not parsed.prompt.strip():
        raise RequestInvalid("Invalid value for 'prompt': it is blank.", param="prompt")
    fields = {name: value for name, value in body.items() if name not in NOT_FORWARDED and value is not None}
    return ImageRequest(
        fields=fields,
        model=parsed.model or MODEL_DEFAULT,
        prompt=parsed.prompt,
        images=parsed.n or 1,
        size=parsed.size,
        quality=parsed.quality,
        as_url=parsed.response_format == "url",
        stream=bool(parsed.stream),
        partials=parsed.partial_images or 0,
    )


def require_drawable(request: ImageRequest, model: Model, *, edit: bool = False) -> None:
    """Refuse what the model cannot do, before any money is set aside; raises RequestInvalid kinds."""
    if model.kind != "image":
        raise wrong_kind(model)
    if edit and (EDITS not in model.capabilities or not model.image_tokens_max):
        raise RequestInvalid(f"`{model.id}` draws from words only: POST /v1/images/generations.", param="model")
    terms = model.image_terms
    if request.images > terms.images_max:
        raise RequestInvalid(f"`{model.id}` draws at most {terms.images_max} at once.", param="n")
    if len(request.prompt) > terms.prompt_characters_max:
        raise RequestInvalid(
            f"A prompt for `{model.id}` has at most {terms.prompt_characters_max} characters; "
            f"yours has {len(request.prompt)}.",
            param="prompt",
        )
    refuse_costly(EDIT_FIELDS if edit else GENERATIONS, request.fields, model)
    _require_streamable(request, model)


def _require_streamable(request: ImageRequest, model: Model) -> None:
    if STREAMING not in model.capabilities:
        for name, wanted in (("stream", request.stream), ("partial_images", request.partials)):
            if wanted:
                raise ParameterUnsupported(f"`{model.id}` answers with whole images: leave `{name}` out.", param=name)
    if request.stream and request.as_url:
        raise ParameterUnsupported(
            "A stream brings its images in base64: leave `response_format` out.", param="response_format"
        )


def _named(given: str | None) -> str | None:
    return None if given in (None, "", AUTO) else given


def _refused(request: ImageRequest, model: Model, priced: Iterable[Shape]) -> tuple[Shape, ...]:
    """Raises RequestInvalid that says what there is."""
    sizes: dict[str, list[str]] = {}
    for size, quality in priced:
        sizes.setdefault(size, []).append(quality)
    offered = "; ".join(f"{size} in {', '.join(qualities)}" for size, qualities in sizes.items())
    param = "size" if _named(request.size) not in (None, *sizes) else "quality"
    raise RequestInvalid(f"`{model.id}` has no price for that size and quality. It draws {offered}.", param=param)


# A form of POST /v1/images/edits as the JSON body it stands for: numbers and flags come as texts.

FILES = ("image", "mask", "markup")
_INTEGERS = ("n", "output_compression", "partial_images")
_FLAGS = ("stream",)
_KNOWN = frozenset(
    {
        *_INTEGERS,
        *_FLAGS,
        *("prompt", "model", "size", "quality", "style", "background", "moderation", "response_format"),
        *("output_format", "user"),
    }
)
_TRUTH = {"true": True, "1": True, "false": False, "0": False}


def body_of(form: Form) -> dict[str, Any]:
    """Everything but the pictures. Raises RequestInvalid for a file under any other name."""
    for name in form.files:
        if name not in FILES:
            raise RequestInvalid(f"Files belong into 'image', 'mask' and 'markup', not into {name[:64]!r}.", param=name)
    return {name: _value(name, form) for name in form.fields if name not in FILES}


def _value(name: str, form: Form) -> Any:
    values = form.fields[name]
    if name not in _KNOWN:
        return list(values) if len(values) > 1 or name in form.arrays else values[0]
    return _typed(name, values[-1])


def _typed(name: str, value: str) -> str | int | bool | None:
    """What is no number stays a text, and validation says so. An empty field is as if it were absent."""
    if not value and name != "prompt":
        return None
    if name in _INTEGERS and value.isascii() and value.lstrip("-").isdecimal() and len(value) < len("10" * 8):
        return int(value)
    if name in _FLAGS:
        return _TRUTH.get(value.lower(), value)
    return value


# OpenAI: a partial image costs 100 tokens of output.
PARTIAL_TOKENS = 100
# What a model writes to itself for each image and bills as output (seen: up to 340); an overrun is recorded if not.
WRITTEN_TOKENS_MAX = 512
# What providers put around a prompt.
TEXT_OVERHEAD_TOKENS = 64
TEXT_BYTES_PER_TOKEN = 4


def _word(given: object, asked: str) -> str:
    return given if isinstance(given, str) else asked
