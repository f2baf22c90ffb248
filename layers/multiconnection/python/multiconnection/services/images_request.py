"""An image request understood: what is to be drawn, in which sizes and qualities, and what the model cannot do."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson
from pydantic import ValidationError

from multiconnection.domain.catalog import Model
from multiconnection.domain.errors import ParameterUnsupported, RequestInvalid
from multiconnection.domain.image_terms import Shape
from multiconnection.domain.parameters import EDITS as EDIT_FIELDS
from multiconnection.domain.parameters import GENERATIONS, refuse_costly
from multiconnection.schemas.images import ImagesBody

from .chat_request import wrong_kind
from .images_tariff import ImageTariff
from .validation import invalid

# The cheapest of the models that draw and edit.
MODEL_DEFAULT = "gpt-image-1-mini"
AUTO = "auto"
EDITS = "image_edits"
STREAMING = "streaming"
# Ours, not the provider's: how the answer is delivered, and what is sent as files.
NOT_FORWARDED = frozenset({"model", "response_format", "image", "images", "mask", "markup"})


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
        if not model.is_drawn_by_tokens:
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
