"""Price tables side by side: every kind by its path, its old and new price, and by how much they differ."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from multiconnection.domain.catalog import PRICE_KINDS
from multiconnection.domain.errors import RequestInvalid

# Larger changes, up or down, are more often a slip of the decimal point than meant.
RATIO_MAX = 10
DEPTH_MAX, KINDS_MAX = 3, 500
_PRICE = re.compile(r"[0-9]{1,9}(\.[0-9]{1,12})?", re.ASCII)

Prices = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """`percent` is None where there was no price before, or it was 0."""

    kind: str
    old: str | None
    new: str
    percent: float | None
    is_large: bool


def flat(prices: Prices, at: str = "", depth: int = 1) -> dict[str, str]:
    """{"images": {"1024x1024": {"high": "0.2"}}} → {"images.1024x1024.high": "0.2"}. Raises RequestInvalid."""
    found: dict[str, str] = {}
    for name, value in prices.items():
        path = f"{at}{name}"
        if isinstance(value, Mapping) and depth <= DEPTH_MAX and value:
            found |= flat(value, f"{path}.", depth + 1)
        elif isinstance(value, str) and _PRICE.fullmatch(value):
            found[path] = value
        else:
            raise RequestInvalid(
                f"The price of '{path[:64]}' has to be a decimal string that is not negative, such as \"0.15\".",
                param="prices",
            )
    if len(found) > KINDS_MAX:
        raise RequestInvalid(f"There are more than {KINDS_MAX} prices.", param="prices")
    return found


def differences(old: Prices, new: Prices) -> list[Difference]:
    """Of what changes, in the order of the new table. Raises RequestInvalid where a price has gone or is no price."""
    before, after = flat(old), flat(new)
    if gone := [kind for kind in before if kind not in after]:
        raise RequestInvalid(
            f"The price of '{gone[0]}' is missing: without it, it would be free. Send every price, \"0\" included.",
            param="prices",
        )
    _require_known(new, "")
    return list(_changed(before, after))


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Difference]:
    for kind, price in after.items():
        was, now = before.get(kind), Decimal(price)
        if was is not None and Decimal(was) == now:
            continue
        base = Decimal(was or 0)
        percent = round(float((now - base) / base * 100), 2) if base else None
        yield Difference(kind, was, price, percent, base == 0 or now > base * RATIO_MAX or now * RATIO_MAX < base)


def _require_known(prices: Prices, at: str) -> None:
    for kind, price in prices.items():
        if kind == "long_context" and not at and isinstance(price, Mapping):
            _require_known(price, "long_context.")
        elif isinstance(price, Mapping) is not (kind == "images") or kind not in PRICE_KINDS:
            raise RequestInvalid(f"'{at}{kind[:64]}' is no kind of usage that has a price.", param="prices")
