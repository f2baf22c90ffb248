"""Bodies of the administrators' API. Strict: a misspelt member must not pass as one that was left out."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from .open import Object
from .text import plain_text

TEXT_CHARS_MAX = 500
Text = Annotated[str, Field(max_length=TEXT_CHARS_MAX), AfterValidator(plain_text)]


class AdminBody(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class ReasonBody(AdminBody):
    reason: Annotated[Text, Field(min_length=1)]


class MaybeReasonBody(AdminBody):
    reason: Text = ""


class AdjustBody(ReasonBody):
    """`amount` is a decimal string in USD with its sign, "-2.50"."""

    amount: Annotated[str, Field(min_length=1, max_length=24)]
    client_token: Annotated[str, Field(min_length=8, max_length=128)]


class PriceBody(MaybeReasonBody):
    """`prices` are all of a model's prices; `cost_prices`, where sent, all of what it costs upstream."""

    prices: Object
    base_version: int
    cost_prices: Object | None = None
    confirm: bool = False


class ReconciliationBody(AdminBody):
    accounts_max: Annotated[int, Field(ge=1, le=200)] = 200
