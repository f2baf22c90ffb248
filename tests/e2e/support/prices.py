"""Costs computed by hand from the list prices, independent of the package."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

NANO = Decimal("0.000000001")


@dataclass(frozen=True, slots=True)
class Price:
    """USD per 1M tokens."""

    input: str
    cached_input: str
    output: str

    def of(self, prompt: int, completion: int, cached: int = 0) -> Decimal:
        """USD, the whole sum rounded up once to the nano-dollar; cached tokens are a part of the prompt."""
        micro = (
            (prompt - cached) * Decimal(self.input)
            + cached * Decimal(self.cached_input)
            + completion * Decimal(self.output)
        )
        return (micro / 10**6).quantize(NANO, ROUND_CEILING)


DEMO = Price("0.10", "0.05", "0.40")
DEEPSEEK_FLASH = Price("0.30", "0.006", "1.20")
