"""What an image model takes and how much it makes: the terms that prices alone do not tell."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# OpenAI: at most so many images in one call.
IMAGES_MAX = 10

Shape = tuple[str, str]
"""Size and quality of an image, as the provider spells them."""


@dataclass(frozen=True, slots=True)
class ImageTerms:
    """`output_tokens` is the usual count of one image, for models that are priced by tokens.

    The default size and quality are those of a request that names none, or "auto", where images are priced each.
    """

    size_default: str = ""
    quality_default: str = ""
    images_max: int = IMAGES_MAX
    prompt_characters_max: int = 32_000
    output_tokens: Mapping[Shape, int] = field(default_factory=dict)


NO_IMAGE_TERMS = ImageTerms()


def parse_image_terms(entry: Mapping[str, Any]) -> ImageTerms:
    """From the `image_terms` of a catalog entry; raises ValueError, KeyError or TypeError."""
    given = entry.get("image_terms", {})
    plain = ImageTerms()
    return ImageTerms(
        size_default=str(given.get("size_default", plain.size_default)),
        quality_default=str(given.get("quality_default", plain.quality_default)),
        images_max=_positive(given.get("images_max", plain.images_max)),
        prompt_characters_max=_positive(given.get("prompt_characters_max", plain.prompt_characters_max)),
        output_tokens={
            (size, quality): _positive(tokens)
            for size, qualities in given.get("output_tokens", {}).items()
            for quality, tokens in qualities.items()
        },
    )


def _positive(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{value!r} is not a whole number above 0")
    return value
