"""Usage objects of image answers, checked and brought into disjoint kinds."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from multiconnection.domain.catalog import Model
from multiconnection.domain.usage import Usage

from .usage import counted, detail


def read_image_usage(raw: object, model: Model) -> Usage | None:
    """None unless both totals are whole numbers; an explicit 0 stays 0.

    Written text counts as image output where the model has no price of its own for it.
    """
    if not isinstance(raw, dict):
        return None
    given, made = counted(raw.get("input_tokens")), counted(raw.get("output_tokens"))
    if given is None or made is None:
        return None
    details_in, details_out = _details(raw, "input_tokens_details"), _details(raw, "output_tokens_details")
    pictures = min(detail(details_in.get("image_tokens")) or 0, given)
    # Which of the cached tokens are pictures is not told, and those have another price.
    cached = 0 if pictures else min(detail(details_in.get("cached_tokens")) or 0, given)
    written = min(detail(details_out.get("text_tokens")) or 0, made) if "output" in model.prices.units else 0
    return Usage(
        input=given - pictures - cached,
        cached_input=cached,
        input_image=pictures,
        output=written,
        output_image=made - written,
    )


def delivered_share(usage: Usage, delivered: int, made: int) -> Usage:
    """Without the output of images that nobody can use, rounded in favour of the caller."""
    if delivered >= made:
        return usage
    return replace(usage, output=usage.output * delivered // made, output_image=usage.output_image * delivered // made)


def added(one: Usage, other: Usage) -> Usage:
    """The tokens of two images of one call."""
    return Usage(
        input=one.input + other.input,
        cached_input=one.cached_input + other.cached_input,
        input_image=one.input_image + other.input_image,
        output=one.output + other.output,
        output_image=one.output_image + other.output_image,
    )


def _details(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    details = raw.get(name)
    return details if isinstance(details, dict) else {}
