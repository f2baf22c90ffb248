"""On what terms orders are taken: currencies and rates, bounds, times, where to pay; and how settings spell them."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from .money import NANO_PER_USD, MoneyError, nano_to_usd, usd_to_nano

LEGAL_ENTITY = "MULTIVERSE CONNECTION TECHNOLOGY PTE. LTD."
_CURRENCY = re.compile(r"[A-Z]{3}")
_AMOUNT = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,2}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class BankDetail:
    """One line of the payee's details, such as ("IBAN", "…")."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class OrderTerms:
    """`rates` are n$ per unit of each currency; `least` and `most` are n$ of credit."""

    rates: Mapping[str, int] = field(default_factory=lambda: {"USD": NANO_PER_USD})
    least: int = 5 * NANO_PER_USD
    most: int = 50_000 * NANO_PER_USD
    ttl_s: int = 7 * 24 * 3600
    open_max: int = 10
    legal_entity: str = LEGAL_ENTITY
    bank_details: tuple[BankDetail, ...] | None = None


def parse_amount(text: object) -> int:
    """Cents of "100", "100.5" or "100.50"; raises MoneyError for anything else, zero included."""
    found = _AMOUNT.fullmatch(text) if isinstance(text, str) else None
    cents = int(found[1]) * 100 + int((found[2] or "0").ljust(2, "0")) if found else 0
    if not cents:
        raise MoneyError('an amount is a decimal string above zero with at most two decimals, such as "100.00"')
    return cents


def amount_text(cents: int) -> str:
    """10050 → "100.50"."""
    return f"{cents // 100}.{cents % 100:02d}"


def rate_text(rate: int) -> str:
    """USD for one unit, without needless zeros: 740000000 → "0.74"."""
    return nano_to_usd(rate).rstrip("0").rstrip(".")


def parse_rates(text: str) -> Mapping[str, int]:
    """`{"USD":"1","SGD":"0.74"}`: USD credited for one unit. Raises ValueError."""
    found = json.loads(text)
    if not isinstance(found, dict) or not found:
        raise ValueError("a JSON object of currencies and rates is expected")
    rates = {}
    for code, rate in found.items():
        if not _CURRENCY.fullmatch(code) or not isinstance(rate, str):
            raise ValueError(f"{code!r}: a currency such as SGD and a decimal string are expected")
        rates[code] = usd_to_nano(rate)
        if not 0 < rates[code] <= 1000 * NANO_PER_USD:
            raise ValueError(f"{code}: a rate of {rate} is out of range")
    return rates


def parse_bank_details(text: str) -> tuple[BankDetail, ...] | None:
    """`[{"label":"Bank","value":"…"}]`; an empty text or list is None. Raises ValueError."""
    found = json.loads(text) if text.strip() else []
    if not isinstance(found, list):
        raise ValueError("a JSON list is expected")
    return tuple(_bank_detail(entry) for entry in found) or None


def _bank_detail(entry: object) -> BankDetail:
    if not isinstance(entry, dict) or entry.keys() != {"label", "value"}:
        raise ValueError("each bank detail is an object of label and value")
    label, value = entry["label"], entry["value"]
    if not isinstance(label, str) or not isinstance(value, str) or not label or not value:
        raise ValueError("label and value of a bank detail are texts")
    return BankDetail(label, value)
