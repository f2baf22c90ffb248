"""The body of a price change, and the answers about models, prices and providers."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from multiconnection.web.openapi import AnswerModel, Time
from multiconnection.web.validation import MaybeReasonBody, Object

from .health import State
from .models import Model, with_markup

PriceTable = Annotated[
    dict[str, Any],
    Field(description="Decimal strings in USD by kind of usage; those of images by size and quality"),
]
PRICE_UNITS: Mapping[str, str] = {
    "input": "USD per 1M tokens",
    "cached_input": "USD per 1M tokens",
    "cache_write": "USD per 1M tokens",
    "output": "USD per 1M tokens",
    "input_audio": "USD per 1M tokens",
    "output_audio": "USD per 1M tokens",
    "input_image": "USD per 1M tokens",
    "output_image": "USD per 1M tokens",
    "characters": "USD per 1M characters",
    "seconds": "USD per second",
    "images": "USD per image, by size and quality; about, where a model has a price for image output tokens",
}


class PriceBody(MaybeReasonBody):
    """`prices` are all of a model's prices; `cost_prices`, if sent, everything that it costs upstream."""

    prices: Object
    base_version: int
    cost_prices: Object | None = None
    confirm: bool = False


class LongContextAnswer(AnswerModel):
    """The prices of the whole call once its prompt is longer."""

    above_input_tokens: int
    prices: PriceTable

    @classmethod
    def of(cls, model: Model, markup_basis_points: int) -> Self | None:
        long = model.long_context
        if long is None:
            return None
        return cls(above_input_tokens=long.above_input_tokens, prices=with_markup(long.quoted, markup_basis_points))


class ModelAnswer(AnswerModel):
    """A model with OpenAI's members and ours; prices are those that are charged."""

    id: str
    object: Literal["model"] = "model"
    created: Time
    owned_by: str
    name: str
    kind: str
    context_length: int | None
    max_output_tokens: int | None
    capabilities: list[str]
    pricing: PriceTable
    long_context: LongContextAnswer | None = Field(default=None, exclude_if=lambda long: long is None)

    @classmethod
    def of(cls, model: Model, markup_basis_points: int) -> Self:
        return cls(
            id=model.id,
            created=model.created_s,
            owned_by=model.owned_by,
            name=model.name,
            kind=model.kind,
            context_length=model.context_window or None,
            max_output_tokens=model.max_output_tokens or None,
            capabilities=list(model.capabilities),
            pricing=with_markup(model.quoted, markup_basis_points),
            long_context=LongContextAnswer.of(model, markup_basis_points),
        )


class ModelListAnswer(AnswerModel):
    object: Literal["list"] = "list"
    data: list[ModelAnswer]


class PricedModelAnswer(AnswerModel):
    """A model of the public price list; prices are those that are charged."""

    id: str
    name: str
    aliases: list[str]
    owned_by: str
    kind: str
    created: Time
    context_window: int | None
    max_output_tokens: int | None
    capabilities: list[str]
    price_version: int
    prices: PriceTable
    long_context: LongContextAnswer | None = Field(default=None, exclude_if=lambda long: long is None)

    @classmethod
    def of(cls, model: Model, markup_basis_points: int) -> Self:
        return cls(
            id=model.id,
            name=model.name,
            aliases=list(model.aliases),
            owned_by=model.owned_by,
            kind=model.kind,
            created=model.created_s,
            context_window=model.context_window or None,
            max_output_tokens=model.max_output_tokens or None,
            capabilities=list(model.capabilities),
            price_version=model.price_version,
            prices=with_markup(model.quoted, markup_basis_points),
            long_context=LongContextAnswer.of(model, markup_basis_points),
        )


class PriceListAnswer(AnswerModel):
    """`units` says what each kind of price is for."""

    object: Literal["list"] = "list"
    currency: Literal["USD"] = "USD"
    units: dict[str, str] = Field(default=dict(PRICE_UNITS))
    data: list[PricedModelAnswer]


class PriceVersionAnswer(AnswerModel):
    """`created` and `created_by` are null for a version that was published from a file."""

    version: int
    prices: PriceTable
    cost_prices: PriceTable | None
    created: Time | None
    created_by: str | None


class AdminModelAnswer(AnswerModel):
    """A catalog entry; prices are without markup."""

    object: Literal["model"] = "model"
    id: str
    name: str
    kind: str
    owned_by: str
    aliases: list[str]
    enabled: bool
    price_version: int
    prices: PriceTable
    cost_prices: PriceTable | None
    upstreams: list[dict[str, Any]]
    versions: list[PriceVersionAnswer]


class PriceDifferenceAnswer(AnswerModel):
    """`old` is null for a new price; `percent` is null if there was no price before, or it was 0."""

    kind: str
    old: str | None
    new: str
    percent: float | None


class PriceChangeAnswer(AnswerModel):
    """`prices` are those of the new version, `diff` and `cost_diff` what differs from the current one."""

    object: Literal["price_change"] = "price_change"
    dry_run: bool
    model: str
    version: int
    prices: PriceTable
    diff: list[PriceDifferenceAnswer]
    cost_diff: list[PriceDifferenceAnswer]
    needs_confirmation: bool


class ProviderHealthAnswer(AnswerModel):
    """Attempts of the last quarter of an hour that were answered and that failed."""

    state: State
    answers: int
    errors: int
    p90_ms: int | None


class ProviderAnswer(AnswerModel):
    """`models` counts the enabled models that the provider can serve."""

    object: Literal["provider"] = "provider"
    name: str
    configured: bool
    enabled: bool
    health: ProviderHealthAnswer
    models: int
