"""The charge of a call, line by line and in one sentence: quantities times the prices of the call's own version.

Amounts are exact. The unit inside is 10⁻¹⁶ USD, a pico-dollar times a basis point, so that no markup is rounded.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from multiconnection.catalog.models import CatalogError, Model, Prices
from multiconnection.ledger.models import UsageRow
from multiconnection.money import BASIS_POINTS, PICO_PER_NANO
from multiconnection.usage import Ended, Usage, UsageSource

UNITS_PER_NANO = PICO_PER_NANO * BASIS_POINTS
_DIGITS = 16
# Places of every amount, at least: those of a charge.
_PLACES = 9
MILLION = 10**6


ENDINGS = {
    Ended.COMPLETE: "The answer was complete",
    Ended.UPSTREAM_ERROR: "The provider failed before it had answered anything",
    Ended.EMPTY: "The provider's answer was empty",
    Ended.MID_STREAM_ERROR: "The provider failed in the middle of its answer",
    Ended.DEADLINE: "The answer was still coming at the gateway's deadline and was cut off there",
    Ended.KILLED: "The gateway's process died during the call",
    Ended.UNDELIVERED: "The answer was made but could not be delivered to you",
    Ended.INTERNAL_ERROR: "The gateway itself failed during the call",
}
SOURCES = {
    UsageSource.UPSTREAM: "the usage that the provider reported",
    UsageSource.REQUEST: "what was counted, exactly, in your own request",
    UsageSource.PARTIAL: "the last usage that the provider reported before the end",
    UsageSource.ESTIMATED: "an estimate from what was delivered, because the provider reported no plausible usage",
    UsageSource.NONE: "no usage at all",
}


@dataclass(frozen=True, slots=True)
class Line:
    """`price` in USD for each `per`; `units` is the amount in 10⁻¹⁶ USD, negative for a deduction."""

    kind: str
    quantity: int | float
    price: str
    per: str
    units: int

    @property
    def amount(self) -> str:
        return exact_usd(self.units)


def price_lines(row: UsageRow, model: Model | None) -> list[Line]:
    """The lines of a charge; their amounts add up to `row.cost` exactly. `model` is None if its version is unknown."""
    factor = BASIS_POINTS + row.markup_basis_points
    priced = [] if model is None else list(_priced(row.usage, _prices(model, row.usage), factor))
    return priced + _balancing(row, sum(line.units for line in priced))


def why(row: UsageRow) -> str:
    """The reason for a charge in one sentence: how the call ended, and where its usage comes from."""
    ending = ENDINGS[row.ended]
    if not row.cost:
        return f"{ending}; {_free(row)}."
    charged = f"{ending}; the charge is for {SOURCES[row.usage_source]}"
    if row.overrun and row.cost < row.hold:
        return f"{charged}; what the provider reported beyond that is not charged to you."
    if row.overrun:
        return f"{charged}, up to the amount that had been set aside: the rest is not charged to you."
    return f"{charged}."


def exact_usd(units: int, places: int = _PLACES) -> str:
    """All digits after the point, at least `places` of them."""
    sign, units = ("-", -units) if units < 0 else ("", units)
    whole, rest = divmod(units, 10**_DIGITS)
    return f"{sign}{whole}.{f'{rest:0{_DIGITS}d}'.rstrip('0').ljust(places, '0')}"


def _prices(model: Model, usage: Usage) -> Prices:
    return model.prices_for(usage.prompt_tokens)


def _priced(usage: Usage, prices: Prices, factor: int) -> Iterator[Line]:
    for kind, pico in prices.units.items():
        if quantity := getattr(usage, kind):
            per = "1M characters" if kind == "characters" else "1M tokens"
            yield Line(kind, quantity, exact_usd(pico * factor * MILLION, 2), per, quantity * pico * factor)
    if usage.milliseconds:
        units = prices.millisecond * factor
        yield Line(
            "seconds", usage.milliseconds / 1000, exact_usd(units * 1000, 2), "second", usage.milliseconds * units
        )
    if usage.images:
        yield from _images(usage, prices, factor)


def _images(usage: Usage, prices: Prices, factor: int) -> Iterator[Line]:
    try:
        each = prices.image(usage.image_size, usage.image_quality) * factor
    except CatalogError:
        return
    per = f"image of {usage.image_size} in {usage.image_quality}"
    yield Line("images", usage.images, exact_usd(each, 2), per, usage.images * each)


def _balancing(row: UsageRow, priced: int) -> list[Line]:
    """The lines between the sum of the priced lines and the charge, which is rounded up and never above the hold.

    An overrun is either the part of the lines that is above the hold, or usage that was not plausible and has no line.
    """
    due, charged = (row.cost + row.overrun) * UNITS_PER_NANO, row.cost * UNITS_PER_NANO
    if 0 <= charged - priced < UNITS_PER_NANO:
        due = charged
    lines = []
    if 0 < due - priced < UNITS_PER_NANO:
        lines.append(_single("rounding", due - priced))
        priced = due
    if charged - priced < 0 and (row.overrun or not row.cost):
        lines.append(_single("not_charged", charged - priced))
    elif charged != priced:
        # Charged by a version that can no longer be read.
        lines.append(_single("adjustment", charged - priced))
    return lines


def _single(kind: str, units: int) -> Line:
    return Line(kind, 1, exact_usd(units), "call", units)


def _free(row: UsageRow) -> str:
    if row.usage_source is UsageSource.NONE:
        return "nothing is known to have been used, so nothing was charged"
    return f"nothing was charged for {SOURCES[row.usage_source]}"
