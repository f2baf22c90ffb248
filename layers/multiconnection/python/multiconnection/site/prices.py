"""Prices, context windows and capabilities in words, for tables and model pages."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

KIND_NAMES = {
    "chat": "Chat",
    "image": "Image",
    "speech": "Speech",
    "transcription": "Transcription",
    "embedding": "Embedding",
    "moderation": "Moderation",
}
PRICE_NAMES = {
    "input": ("Input", "1M tokens"),
    "cached_input": ("Cached input", "1M tokens"),
    "cache_write": ("Cache write", "1M tokens"),
    "output": ("Output", "1M tokens"),
    "input_audio": ("Audio input", "1M tokens"),
    "output_audio": ("Audio output", "1M tokens"),
    "input_image": ("Image input", "1M tokens"),
    "output_image": ("Image output", "1M tokens"),
    "characters": ("Characters", "1M characters"),
    "seconds": ("Audio", "second"),
}
CAPABILITY_NAMES = {
    "streaming": "Streaming",
    "tools": "Tool calls",
    "vision": "Image input",
    "json_mode": "JSON mode",
    "json_schema": "JSON schema",
    "logprobs": "Log probabilities",
    "reasoning": "Reasoning",
    "images": "Image generation",
    "speech": "Text to speech",
    "transcription": "Speech to text",
    "embeddings": "Embeddings",
    "moderation": "Moderation",
}
_SECONDS_PER_MINUTE = 60


@dataclass(frozen=True, slots=True)
class PriceLine:
    """One price: `amount` in USD, `per` a unit; `detail` is the size and quality of an image."""

    name: str
    amount: str
    per: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A model's row in a price table; `order` is what a column sorts by, dearest prices of it last."""

    id: str
    name: str
    owned_by: str
    kind: str
    kind_name: str
    context: str
    context_tokens: int
    input: str
    cached: str
    output: str
    summary: str
    dearer: str
    order: Mapping[str, str]


def usd(amount: str | Decimal) -> str:
    """Dollars with at least two decimals and no more than there are."""
    exact = Decimal(amount).normalize()
    places = max(2, -int(exact.as_tuple().exponent))
    return f"${exact:,.{places}f}"


def tokens(count: int | None) -> str:
    """128000 → 128K, 1047576 → 1.05M."""
    if not count:
        return ""
    if count >= 1_000_000:
        return f"{count / 1_000_000:.2f}".rstrip("0").rstrip(".") + "M"
    return f"{round(count / 1000)}K" if count >= 1000 else str(count)


def model_price_lines(model: Mapping[str, Any]) -> list[PriceLine]:
    """All prices of a model, and those of its long prompts where these are dearer."""
    lines, long = price_lines(model["prices"]), model.get("long_context")
    if long is None:
        return lines
    detail = f"prompts above {tokens(long['above_input_tokens'])} tokens"
    return lines + [replace(line, detail=detail) for line in price_lines(long["prices"])]


def _dearer(model: Mapping[str, Any]) -> str:
    long = model.get("long_context")
    return f"dearer above {tokens(long['above_input_tokens'])}" if long else ""


def price_lines(prices: Mapping[str, Any]) -> list[PriceLine]:
    """All prices of a model in the order of PRICE_NAMES, images last."""
    lines = [
        PriceLine(name, usd(prices[kind]), per)
        for kind, (name, per) in PRICE_NAMES.items()
        if kind in prices and kind != "seconds"
    ]
    if "seconds" in prices:
        lines.append(PriceLine("Audio", usd(prices["seconds"]), "second"))
        lines.append(PriceLine("Audio", usd(Decimal(prices["seconds"]) * _SECONDS_PER_MINUTE), "minute"))
    # Charged by the token, an image has no price of its own: the table says what one comes to.
    each = "Image, about" if "output_image" in prices else "Image"
    return lines + list(_image_lines(prices.get("images", {}), each))


def table_row(model: Mapping[str, Any]) -> Row:
    prices = model["prices"]
    return Row(
        id=model["id"],
        name=model["name"],
        owned_by=model["owned_by"],
        kind=model["kind"],
        kind_name=KIND_NAMES.get(model["kind"], model["kind"]),
        context=tokens(model["context_window"]),
        context_tokens=model["context_window"] or 0,
        input=usd(prices["input"]) if "input" in prices else "",
        cached=usd(prices["cached_input"]) if "cached_input" in prices else "",
        output=usd(prices["output"]) if "output" in prices else "",
        summary=_summary(model),
        dearer=_dearer(model),
        order={
            "name": model["name"].lower(),
            "context": str(model["context_window"] or ""),
            "input": prices.get("input", ""),
            "cached": prices.get("cached_input", ""),
            "output": prices.get("output", ""),
        },
    )


def capability_names(model: Mapping[str, Any]) -> list[str]:
    return [CAPABILITY_NAMES.get(name, name.replace("_", " ").capitalize()) for name in model["capabilities"]]


def _image_lines(images: Mapping[str, Mapping[str, str]], each: str) -> Iterator[PriceLine]:
    for size, qualities in images.items():
        for quality, price in sorted(qualities.items(), key=lambda item: Decimal(item[1])):
            yield PriceLine(each, usd(price), "image", f"{size}, {quality}")


def _summary(model: Mapping[str, Any]) -> str:
    """The price of what is not billed by text tokens, in one phrase."""
    prices = model["prices"]
    if model["kind"] == "moderation" and not any(Decimal(p) for p in prices.values() if isinstance(p, str)):
        return "Free"
    if prices.get("images"):
        each = [Decimal(price) for qualities in prices["images"].values() for price in qualities.values()]
        span = f"{usd(min(each))} to {usd(max(each))}" if min(each) < max(each) else usd(each[0])
        return f"{'about ' if 'output_image' in prices else ''}{span} per image"
    if "characters" in prices:
        return f"{usd(prices['characters'])} per 1M characters"
    if "seconds" in prices:
        return f"{usd(Decimal(prices['seconds']) * _SECONDS_PER_MINUTE)} per minute"
    if "output_audio" in prices or "output_image" in prices:
        what = "audio" if "output_audio" in prices else "image"
        return f"{usd(prices[f'output_{what}'])} per 1M {what} tokens"
    if "input_audio" in prices and "output" not in prices:
        return f"{usd(prices['input_audio'])} per 1M audio tokens"
    return ""
