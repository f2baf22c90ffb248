"""Image requests: what is asked for, in which sizes and qualities, what it may cost, and what the model cannot do."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import orjson

from multiconnection.calls.requests import PricedCall, wrong_kind
from multiconnection.catalog.bounds import CostBound, text_tokens_max
from multiconnection.catalog.models import Model, Shape
from multiconnection.catalog.parameters import EDITS, refuse_costly
from multiconnection.errors import ParameterUnsupported, RequestInvalid
from multiconnection.usage import Usage, UsageSource
from multiconnection.web.body import json_object, validated

from .schemas import ImagesBody

# The cheapest of the models that generate and edit.
MODEL_DEFAULT = "gpt-image-1-mini"
AUTO = "auto"
# Capabilities of models.
EDITING, STREAMING = "image_edits", "streaming"
# Ours, not the provider's: how the answer is delivered, and what is sent as files.
NOT_FORWARDED = frozenset({"model", "response_format", "image", "images", "mask", "markup"})
# OpenAI: a partial image costs 100 tokens of output.
PARTIAL_TOKENS = 100
# What a model writes to itself for each image and bills as output (seen: up to 340); an overrun is recorded if not.
WRITTEN_TOKENS_MAX = 512
# What providers put around a prompt.
TEXT_OVERHEAD_TOKENS = 64
TEXT_BYTES_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class PictureData:
    """A picture to start from; the type is what its first bytes say."""

    data: bytes = field(repr=False)
    content_type: str


@dataclass(frozen=True, slots=True)
class PictureUrl:
    """A picture for the provider to fetch: https, and of the caller's own choice."""

    url: str = field(repr=False)


Picture = PictureData | PictureUrl


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageCall(PricedCall):
    """An image request on its way to its upstreams.

    `fields` are the caller's, validated, without model, pictures and `response_format`. `shapes` are the sizes and
    qualities that the call can end in, the usual one first. `text_bytes` and `text_tokens_max` are of all that the
    provider may read, `picture_tokens` of all that it may look at. The rest is for edits.
    """

    fields: Mapping[str, Any]
    images: int
    shapes: tuple[Shape, ...]
    partials: int = 0
    text_bytes: int = 0
    text_tokens_max: int = 0
    picture_tokens: int = 0
    pictures: tuple[Picture, ...] = ()
    mask: Picture | None = None
    markup: Picture | None = None

    @property
    def edit(self) -> bool:
        return self.endpoint == EDITS

    @property
    def by_tokens(self) -> bool:
        """Priced by tokens, not by image."""
        return self.model.bills_images_by_tokens

    def usage_max(self, images: int) -> Usage:
        """The most that so many images of this call can consume, where they are priced by their tokens."""
        made = images * output_tokens_max(self.model, self.shapes, self.partials)
        return Usage(input=self.text_tokens_max, input_image=self.picture_tokens, output_image=made)

    def counted(self, images: int, metadata: Mapping[str, Any]) -> tuple[Usage, UsageSource]:
        """The usage of so many delivered images of a provider that reports none.

        Where each has a price that is no estimate: what is counted is what was delivered.
        """
        if self.by_tokens:
            return self.estimated(images, metadata), UsageSource.ESTIMATED
        size, quality = self._shape(metadata, self.model.prices.images)
        return Usage(images=images, image_size=size, image_quality=quality), UsageSource.UPSTREAM

    def estimated(self, images: int, metadata: Mapping[str, Any], *, with_input: bool = True) -> Usage:
        """The tokens that so many images usually have."""
        tokens = self.model.image_terms.output_tokens
        made = images * (tokens[self._shape(metadata, tokens)] + self.partials * PARTIAL_TOKENS)
        return self.input_estimate(made) if with_input else Usage(output_image=made)

    def input_estimate(self, output_image: int = 0) -> Usage:
        """The tokens that are usually read, never above the bound."""
        return Usage(
            input=min(math.ceil(self.text_bytes / TEXT_BYTES_PER_TOKEN), self.text_tokens_max),
            input_image=self.picture_tokens,
            output_image=output_image,
        )

    def _shape(self, metadata: Mapping[str, Any], known: Iterable[Shape]) -> Shape:
        """Size and quality as the answer says, where these have a price; else as they were asked for."""
        size, quality = self.shapes[0]
        shape = (_word(metadata.get("size"), size), _word(metadata.get("quality"), quality))
        return shape if shape in known else self.shapes[0]


@dataclass(frozen=True)
class ImageRequest:
    """A validated body of `endpoint`; `fields` are all of the caller's that go to the provider as they are."""

    endpoint: str
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
        """The JSON whose bytes bound what a provider can read, unknown fields included (see the bound of chat).

        Raises RequestInvalid for what no JSON can hold.
        """
        try:
            return orjson.dumps(self.fields)
        except TypeError as exc:
            raise RequestInvalid("The JSON of your request cannot be written: it is nested too deeply.") from exc

    def bind(self, model: Model, markup_basis_points: int, pictures: int = 0) -> ImageCall:
        """The call at the model's prices, starting from so many pictures.

        Raises RequestInvalid for a size and quality without a price.
        """
        shapes = self._shapes(model)
        if model.bills_images_by_tokens:
            return self._bound_by_tokens(model, markup_basis_points, shapes, pictures * model.image_tokens_max)
        size, quality = shapes[0]
        each = max(model.prices.image(*shape) for shape in shapes)
        return ImageCall(
            endpoint=self.endpoint,
            model=model,
            bound=_fixed(self.images * each, markup_basis_points),
            streamed=self.stream,
            # Where each image has a price, its size and quality are no longer the provider's choice.
            fields={**self.fields, "size": size, "quality": quality},
            images=self.images,
            shapes=shapes,
            text_bytes=len(self.text),
        )

    def _bound_by_tokens(
        self, model: Model, markup_basis_points: int, shapes: tuple[Shape, ...], picture_tokens: int
    ) -> ImageCall:
        partials, prices = self.partials if self.stream else 0, model.prices
        text_max = text_tokens_max(self.text) + TEXT_OVERHEAD_TOKENS
        made = self.images * output_tokens_max(model, shapes, partials)
        read_pico = text_max * prices.units.get("input", 0) + picture_tokens * prices.dearest_input
        typical = model.image_terms.output_tokens[shapes[0]] + partials * PARTIAL_TOKENS
        text_typical = min(math.ceil(len(self.text) / TEXT_BYTES_PER_TOKEN), text_max)
        return ImageCall(
            endpoint=self.endpoint,
            model=model,
            bound=_fixed(read_pico + made * prices.dearest_output, markup_basis_points),
            tokens_estimate=text_typical + picture_tokens + self.images * typical,
            streamed=self.stream,
            fields=self.fields,
            images=self.images,
            shapes=shapes,
            partials=partials,
            text_bytes=len(self.text),
            text_tokens_max=text_max,
            picture_tokens=picture_tokens,
        )

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


def parse_image_request(endpoint: str, body: object) -> ImageRequest:
    """Raises RequestInvalid and its kinds, with `param` naming the field as OpenAI does."""
    given = json_object(body)
    parsed = validated(ImagesBody, given)
    if not parsed.prompt.strip():
        raise RequestInvalid("Invalid value for 'prompt': it is blank.", param="prompt")
    return ImageRequest(
        endpoint=endpoint,
        fields={name: value for name, value in given.items() if name not in NOT_FORWARDED and value is not None},
        model=parsed.model or MODEL_DEFAULT,
        prompt=parsed.prompt,
        images=parsed.n or 1,
        size=parsed.size,
        quality=parsed.quality,
        as_url=parsed.response_format == "url",
        stream=bool(parsed.stream),
        partials=parsed.partial_images or 0,
    )


def require_image_model(request: ImageRequest, model: Model) -> None:
    """Refuses what the model cannot do, before any money is set aside; raises RequestInvalid kinds."""
    if model.kind != "image":
        raise wrong_kind(model)
    if request.endpoint == EDITS and (EDITING not in model.capabilities or not model.image_tokens_max):
        raise RequestInvalid(f"`{model.id}` does not take images: use POST /v1/images/generations.", param="model")
    terms = model.image_terms
    if request.images > terms.images_max:
        raise RequestInvalid(f"`{model.id}` takes an `n` of at most {terms.images_max}.", param="n")
    if len(request.prompt) > terms.prompt_characters_max:
        raise RequestInvalid(
            f"A prompt for `{model.id}` has at most {terms.prompt_characters_max} characters; "
            f"yours has {len(request.prompt)}.",
            param="prompt",
        )
    refuse_costly(request.endpoint, request.fields, model)
    _require_streamable(request, model)


def output_tokens_max(model: Model, shapes: Iterable[Shape], partials: int) -> int:
    """The most output of one image: the largest shape, its partial images and what the model writes to itself."""
    tokens = max(model.image_terms.output_tokens[shape] for shape in shapes)
    return tokens + partials * PARTIAL_TOKENS + WRITTEN_TOKENS_MAX


def image_type(data: bytes) -> str:
    """An image's media type by its first bytes; "" for what is no image that is known here."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    return ""


def _fixed(pico: int, markup_basis_points: int) -> CostBound:
    """All of it is fixed: no provider takes a limit for an image's tokens."""
    return CostBound(pico, per_token_pico=0, output_tokens=0, markup_basis_points=markup_basis_points)


def _require_streamable(request: ImageRequest, model: Model) -> None:
    if STREAMING not in model.capabilities:
        for name, wanted in (("stream", request.stream), ("partial_images", request.partials)):
            if wanted:
                raise ParameterUnsupported(f"`{model.id}` answers with whole images: leave `{name}` out.", param=name)
    if request.stream and request.as_url:
        raise ParameterUnsupported(
            "A stream brings its images in base64: leave `response_format` out.", param="response_format"
        )


def _refused(request: ImageRequest, model: Model, priced: Iterable[Shape]) -> tuple[Shape, ...]:
    """Raises RequestInvalid that says what there is."""
    sizes: dict[str, list[str]] = {}
    for size, quality in priced:
        sizes.setdefault(size, []).append(quality)
    offered = "; ".join(f"{size} in {', '.join(qualities)}" for size, qualities in sizes.items())
    param = "size" if _named(request.size) not in (None, *sizes) else "quality"
    raise RequestInvalid(f"`{model.id}` has no price for that size and quality. It generates {offered}.", param=param)


def _named(given: str | None) -> str | None:
    return None if given in (None, "", AUTO) else given


def _word(given: object, asked: str) -> str:
    return given if isinstance(given, str) else asked
