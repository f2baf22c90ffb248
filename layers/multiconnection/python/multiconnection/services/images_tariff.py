"""What the images of one call are counted as: each at its size and quality, or by their tokens."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from multiconnection.domain.bounds import CostBound, text_tokens_max
from multiconnection.domain.catalog import Model, Prices
from multiconnection.domain.image_terms import Shape
from multiconnection.domain.usage import Usage, UsageSource

# OpenAI: a partial image costs 100 tokens of output.
PARTIAL_TOKENS = 100
# What a model writes to itself for each image and bills as output (seen: up to 340); an overrun is recorded if not.
WRITTEN_TOKENS_MAX = 512
# What providers put around a prompt.
TEXT_OVERHEAD_TOKENS = 64
TEXT_BYTES_PER_TOKEN = 4


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
        return self.model.is_drawn_by_tokens

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


def _word(given: object, asked: str) -> str:
    return given if isinstance(given, str) else asked
