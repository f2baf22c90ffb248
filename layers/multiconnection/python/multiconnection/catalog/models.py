"""The model catalog: what can be called, at which immutable price version, through which configured providers."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from multiconnection import money
from multiconnection.ledger.models import PRICE_VERSION_MAX
from multiconnection.usage import Usage

from .parameters import ParameterPolicy

KINDS = ("chat", "speech", "image", "embedding", "transcription", "moderation")
# Usage fields that are priced per 1M units, and the field whose price applies if a model quotes none.
_PER_MILLION = {
    "input": None,
    "cached_input": "input",
    "cache_write": "input",
    "input_audio": "input",
    "input_image": "input",
    "output": None,
    "output_audio": "output",
    "output_image": None,
    "characters": None,
}
# Kinds of price: by units, by image and by second.
PRICE_KINDS = frozenset({*_PER_MILLION, "images", "seconds"})
LONG = "long_context"
# OpenAI's limit for one call.
IMAGES_MAX = 10
_OUTPUT_KINDS = ("output", "output_audio", "output_image")
_INPUT_KINDS = ("input", "cached_input", "cache_write", "input_image", "input_audio")

Entry = Mapping[str, Any]
"""A model as data/catalog.json and the table have it."""
Shape = tuple[str, str]
"""Size and quality of an image, as the provider spells them."""


class CatalogError(ValueError):
    """A catalog entry that cannot be trusted with money."""


class HeadChanged(Exception):
    """The model's entry is not as it was read, or the price version exists already."""


class SwitchChanged(Exception):
    """The switch is not as it was read."""


@dataclass(frozen=True, slots=True)
class Prices:
    """p$ per unit of each usage field; `images` is p$ per image by (size, quality)."""

    units: Mapping[str, int]
    images: Mapping[tuple[str, str], int]
    millisecond: int = 0

    def cost_pico(self, usage: Usage) -> int:
        """Exact cost of all units. Raises CatalogError for images of a size and quality without a price."""
        units: int = sum(getattr(usage, kind) * price for kind, price in self.units.items())
        each = self.image(usage.image_size, usage.image_quality) if usage.images else 0
        return units + usage.milliseconds * self.millisecond + usage.images * each

    def image(self, size: str, quality: str) -> int:
        """p$ of one image; raises CatalogError."""
        try:
            return self.images[size, quality]
        except KeyError as exc:
            raise CatalogError(f"no price for an image of {size!r} in {quality!r}") from exc

    @property
    def dearest_input(self) -> int:
        return max(self.units.get(kind, 0) for kind in _INPUT_KINDS)

    @property
    def dearest_output(self) -> int:
        return max(self.units.get(kind, 0) for kind in _OUTPUT_KINDS)


@dataclass(frozen=True, slots=True)
class UpstreamRef:
    """One way to serve a model: a configured provider and the model's name there."""

    provider: str
    model: str

    @property
    def whole_provider(self) -> "UpstreamRef":
        """The name of all models of the provider at once, in cool-downs."""
        return UpstreamRef(self.provider, "")


@dataclass(frozen=True, slots=True)
class Quirks:
    """Differences of an OpenAI-compatible provider from OpenAI.

    `cached_tokens_field`: "prompt_tokens_details" (OpenAI) or "prompt_cache_hit_tokens" (DeepSeek).
    `completion_is_whole`: completion_tokens are known to hold all that was generated. Elsewhere thinking tokens may be
    in total_tokens or reasoning_tokens only, so output = max(completion, total - prompt).
    `developer_role`: it knows the role `developer`; elsewhere that is sent as `system`.
    `thoughts_field`: where thoughts of earlier turns are sent: "reasoning_content", "reasoning" (Groq, OpenRouter),
    "content" as a part (Mistral), or "" where they are not taken.
    `mid_stream_error_billed`: the provider bills a stream that failed in the middle, so we charge an estimate.
    """

    output_limit_field: str = "max_tokens"
    accepts_stream_options: bool = True
    cached_tokens_field: str = "prompt_tokens_details"
    completion_is_whole: bool = False
    developer_role: bool = False
    thoughts_field: str = "reasoning_content"
    mid_stream_error_billed: bool = False


@dataclass(frozen=True, slots=True)
class Provider:
    """One configured provider. `auth`: "bearer", "api-key" (Azure's header) or "none".

    `silence_max_s` bounds both time-outs of an answer that is not an event stream: no comment can be sent in it.
    """

    name: str
    base_url: str
    auth: str
    api_key: str | None = field(repr=False)
    connect_timeout_s: float
    first_byte_timeout_s: float
    idle_timeout_s: float
    attempts_max: int
    quirks: Quirks
    silence_max_s: float = math.inf
    parameters: ParameterPolicy = field(default_factory=ParameterPolicy)


@dataclass(frozen=True, slots=True)
class LongContext:
    """Prices of the whole call once its prompt is longer than `above_input_tokens`."""

    above_input_tokens: int
    prices: Prices
    quoted: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ImageTerms:
    """Limits and defaults of an image model. `output_tokens` is the usual count of one image, if priced by tokens.

    The defaults are for a request without size or quality, or with "auto", if there is a price per image.
    """

    size_default: str = ""
    quality_default: str = ""
    images_max: int = IMAGES_MAX
    prompt_characters_max: int = 32_000
    output_tokens: Mapping[Shape, int] = field(default_factory=dict)


NO_IMAGE_TERMS = ImageTerms()


@dataclass(frozen=True, slots=True)
class Model:
    """One catalog entry at one price version. `code` is its three-character name in packed holds.

    `preamble_tokens` is the most that the provider adds to every prompt and bills.
    """

    id: str
    code: str
    aliases: tuple[str, ...]
    owned_by: str
    kind: str
    name: str
    created_s: int
    context_window: int
    max_output_tokens: int
    price_version: int
    prices: Prices
    quoted: Mapping[str, Any]
    image_tokens_max: int
    capabilities: tuple[str, ...]
    refused_parameters: frozenset[str]
    upstreams: tuple[UpstreamRef, ...]
    long_context: LongContext | None = None
    voices: tuple[str, ...] = ()
    image_terms: ImageTerms = NO_IMAGE_TERMS
    audio_tokens_per_second: int = 0
    preamble_tokens: int = 0

    @property
    def bills_images_by_tokens(self) -> bool:
        """True if images are charged by their tokens; `prices.images` is then for display only."""
        return "output_image" in self.prices.units

    def prices_for(self, prompt_tokens: int) -> Prices:
        """The prices of a call whose prompt has, or for a bound can have, this many tokens."""
        long = self.long_context
        return long.prices if long and prompt_tokens > long.above_input_tokens else self.prices

    def cost_pico(self, usage: Usage) -> int:
        return self.prices_for(usage.prompt_tokens).cost_pico(usage)

    def only(self, providers: Iterable[str]) -> tuple[UpstreamRef, ...]:
        """The upstreams whose provider is configured, in order of preference."""
        configured = set(providers)
        return tuple(ref for ref in self.upstreams if ref.provider in configured)


@dataclass(frozen=True, slots=True)
class Catalog:
    """All enabled models, by id or alias."""

    models: tuple[Model, ...]
    by_name: Mapping[str, Model]
    by_code: Mapping[str, Model]

    @classmethod
    def of(cls, models: Iterable[Model]) -> "Catalog":
        """Raises CatalogError when two models share a name or a code."""
        entries = tuple(sorted(models, key=lambda model: model.id))
        by_name: dict[str, Model] = {}
        by_code: dict[str, Model] = {}
        for model in entries:
            for name in (model.id, *model.aliases):
                if by_name.setdefault(name, model) is not model:
                    raise CatalogError(f"two models answer to {name!r}")
            if by_code.setdefault(model.code, model) is not model:
                raise CatalogError(f"two models have the code {model.code!r}")
        return cls(entries, by_name, by_code)


@dataclass(frozen=True, slots=True)
class Switches:
    """Providers and models that the operator has taken out of service.

    `disabled_models` are ids by code: calls that began before still have to be named.
    """

    providers_off: frozenset[str] = frozenset()
    disabled_models: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Head:
    """A model's current entry; `body` is the entry as stored, and the condition of every change."""

    entry: Entry
    enabled: bool
    body: str = field(repr=False)

    @property
    def model_id(self) -> str:
        return str(self.entry["id"])

    @property
    def price_version(self) -> int:
        return int(self.entry["price_version"])


@dataclass(frozen=True, slots=True)
class PriceVersion:
    """An entry as published; `created_s` is None and `created_by` empty if it came from a file."""

    entry: Entry
    created_s: int | None
    created_by: str

    @property
    def number(self) -> int:
        return int(self.entry["price_version"])


def parse_model(entry: Mapping[str, Any]) -> Model:
    """A Model from its JSON entry (see data/catalog.json); raises CatalogError naming the model."""
    try:
        return _model(entry)
    except (KeyError, TypeError, ValueError) as exc:
        raise CatalogError(f"catalog entry {entry.get('id')!r}: {exc!r}") from exc


def parse_costs(entry: Entry) -> Model:
    """A Model at the prices that we pay upstream, `cost_prices`; a kind without one costs what the list says.

    Raises CatalogError.
    """
    costs: Entry = entry.get("cost_prices", {})
    base = {kind: price for kind, price in costs.items() if kind != LONG}
    made = {**entry, "prices": {**entry["prices"], **base}}
    if LONG in entry:
        made[LONG] = {**entry[LONG], "prices": {**entry[LONG]["prices"], **costs.get(LONG, {})}}
    return parse_model(made)


def parse_prices(quoted: Mapping[str, Any]) -> Prices:
    """Convert quoted USD strings to integer p$ per unit; a kind without a quote costs what its base kind costs.

    Raises CatalogError or MoneyError.
    """
    if unknown := sorted(quoted.keys() - PRICE_KINDS):
        # Ignored, it would make its usage free.
        raise CatalogError(f"unknown kinds of price: {', '.join(map(str, unknown))}")
    units: dict[str, int] = {}
    for kind, base in _PER_MILLION.items():
        if kind in quoted:
            units[kind] = _not_negative(money.usd_per_million_to_pico(quoted[kind]))
        elif base in units:
            units[kind] = units[base]
    images = {
        (size, quality): _not_negative(money.usd_to_pico(price))
        for size, qualities in quoted.get("images", {}).items()
        for quality, price in qualities.items()
    }
    per_second = _not_negative(money.usd_to_pico(quoted.get("seconds", "0")))
    if per_second % 1000:
        raise CatalogError("a price per second needs whole pico-dollars per millisecond")
    return Prices(units, images, per_second // 1000)


def parse_image_terms(entry: Mapping[str, Any]) -> ImageTerms:
    """Read the `image_terms` of a catalog entry; raises ValueError, KeyError or TypeError."""
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


def with_markup(quoted: Mapping[str, Any], basis_points: int) -> dict[str, Any]:
    """Quoted prices as they are charged, exact; those of images are tables in the table."""
    if not basis_points:
        return dict(quoted)
    return {
        kind: with_markup(price, basis_points) if isinstance(price, Mapping) else _with_markup(price, basis_points)
        for kind, price in quoted.items()
    }


def _model(entry: Mapping[str, Any]) -> Model:
    if entry["kind"] not in KINDS:
        raise CatalogError(f"unknown kind {entry['kind']!r}")
    if not 1 <= int(entry["price_version"]) <= PRICE_VERSION_MAX:
        raise CatalogError(f"a price version is between 1 and {PRICE_VERSION_MAX}")
    if len(entry["code"]) != 3 or not entry["code"].isalnum():
        raise CatalogError("a code has three letters or digits")
    if entry["kind"] == "speech" and "characters" not in entry["prices"] and not entry.get("max_output_tokens"):
        raise CatalogError("speech that is priced by tokens needs max_output_tokens, or nothing bounds it")
    by_time, by_tokens = "seconds" in entry["prices"], bool(entry.get("audio_tokens_per_second"))
    if entry["kind"] == "transcription" and by_time == by_tokens:
        raise CatalogError("a transcription is priced either by seconds, or by tokens with audio_tokens_per_second")
    image_terms = parse_image_terms(entry)
    if entry["kind"] == "image" and "output_image" in entry["prices"] and not image_terms.output_tokens:
        raise CatalogError("images that are priced by tokens need output_tokens, or nothing bounds them")
    return Model(
        id=entry["id"],
        code=entry["code"],
        aliases=tuple(entry.get("aliases", ())),
        owned_by=entry["owned_by"],
        kind=entry["kind"],
        name=entry["name"],
        created_s=int(entry["created"]),
        context_window=int(entry.get("context_window") or 0),
        max_output_tokens=int(entry.get("max_output_tokens") or 0),
        price_version=int(entry["price_version"]),
        prices=parse_prices(entry["prices"]),
        quoted=entry["prices"],
        image_tokens_max=int(entry.get("image_tokens_max") or 0),
        capabilities=tuple(entry.get("capabilities", ())),
        refused_parameters=frozenset(entry.get("refused_parameters", ())),
        upstreams=tuple(UpstreamRef(ref["provider"], ref["model"]) for ref in entry["upstreams"]),
        long_context=_long_context(entry),
        voices=tuple(entry.get("voices", ())),
        image_terms=image_terms,
        audio_tokens_per_second=int(entry.get("audio_tokens_per_second") or 0),
        preamble_tokens=int(entry.get("preamble_tokens") or 0),
    )


def _long_context(entry: Mapping[str, Any]) -> LongContext | None:
    """Read prices that are at least the base prices in every kind, so that a bound at them holds for any prompt."""
    if "long_context" not in entry:
        return None
    base = parse_prices(entry["prices"])
    given = entry["long_context"]
    long = LongContext(int(given["above_input_tokens"]), parse_prices(given["prices"]), given["prices"])
    if any(long.prices.units.get(kind, 0) < price for kind, price in base.units.items()):
        raise CatalogError("a long prompt is never cheaper than a short one")
    return long


def _with_markup(price: str, basis_points: int) -> str:
    exact = Decimal(price) * (money.BASIS_POINTS + basis_points) / money.BASIS_POINTS
    return f"{exact.normalize():f}"


def _not_negative(price: int) -> int:
    if price < 0:
        raise CatalogError("a price is not negative")
    return price


def _positive(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{value!r} is not a whole number above 0")
    return value
