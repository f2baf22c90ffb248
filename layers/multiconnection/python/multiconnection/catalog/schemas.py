"""The body of a price change."""

from multiconnection.web.validation import MaybeReasonBody, Object


class PriceBody(MaybeReasonBody):
    """`prices` are all of a model's prices; `cost_prices`, where sent, all of what it costs upstream."""

    prices: Object
    base_version: int
    cost_prices: Object | None = None
    confirm: bool = False
