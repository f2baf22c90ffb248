"""Integer money: nano-dollars (n$, 10⁻⁹ USD) in the ledger, pico-dollars (p$, 10⁻¹² USD) in prices."""

from decimal import Decimal, InvalidOperation

NANO_PER_USD = 10**9
PICO_PER_NANO = 1000
PICO_PER_USD = 10**12
BASIS_POINTS = 10_000
# More money than any account can hold; keeps every sum far below DynamoDB's 38 digits.
AMOUNT_MAX_NANO = 10**18


class MoneyError(ValueError):
    """An amount is of the wrong type, not finite, too precise or out of range."""


def charge_nano(cost_pico: int, markup_basis_points: int = 0) -> int:
    """The charge in n$: the cost in p$ with its markup, rounded up. The only rounding of a request."""
    marked_up = cost_pico * (BASIS_POINTS + markup_basis_points)
    return -(-marked_up // (BASIS_POINTS * PICO_PER_NANO))


def usd_to_nano(text: str) -> int:
    """Convert a decimal string such as "12.5" to n$, exactly; raises MoneyError rather than round."""
    return _scaled(text, NANO_PER_USD)


def usd_to_pico(text: str) -> int:
    """Convert a decimal string to p$, exactly: the price of one image or one second."""
    return _scaled(text, PICO_PER_USD)


def usd_per_million_to_pico(text: str) -> int:
    """Convert a price per 1M units to p$ per unit, which is the same number as µ$ per 1M."""
    return _scaled(text, 10**6)


def nano_to_usd(amount: int) -> str:
    """Convert n$ to a decimal string with all nine places: 1500000000 → "1.500000000"."""
    sign, amount = ("-", -amount) if amount < 0 else ("", amount)
    return f"{sign}{amount // NANO_PER_USD}.{amount % NANO_PER_USD:09d}"


def nano_to_decimal(amount: int) -> Decimal:
    """Convert n$ to a decimal number with all nine places, which stands in JSON with exactly these digits."""
    return Decimal(amount).scaleb(-9)


def require_amount(value: object) -> int:
    """Return `value` if it is an int in the ledger's range; raises MoneyError for bool, float, text and None."""
    if type(value) is not int or not -AMOUNT_MAX_NANO <= value <= AMOUNT_MAX_NANO:
        raise MoneyError(f"not an amount in nano-dollars: {value!r}")
    return value


def _scaled(text: str, scale: int) -> int:
    if not isinstance(text, str) or len(text) > 40:
        raise MoneyError("an amount is a decimal string")
    try:
        value = Decimal(text)
    except InvalidOperation as exc:
        raise MoneyError(f"not a decimal number: {text!r}") from exc
    if not value.is_finite() or abs(value) > AMOUNT_MAX_NANO // NANO_PER_USD:
        raise MoneyError(f"out of range: {text!r}")
    scaled = value * scale
    if scaled != scaled.to_integral_value():
        raise MoneyError(f"more decimals than the unit has: {text!r}")
    return int(scaled)
