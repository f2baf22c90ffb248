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
        return per_million((prompt - cached, self.input), (cached, self.cached_input), (completion, self.output))


def per_million(*counts: tuple[int, str]) -> Decimal:
    """USD for counts at USD per 1M each (tokens of any kind, characters), the whole sum rounded up once."""
    micro = sum((count * Decimal(price) for count, price in counts), Decimal(0))
    return (micro / 10**6).quantize(NANO, ROUND_CEILING)


DEMO = Price("0.10", "0.05", "0.40")
DEEPSEEK_FLASH = Price("0.30", "0.006", "1.20")


def tts_1(characters: int) -> Decimal:
    return per_million((characters, "15.00"))


def mini_tts(prompt: int, audio: int) -> Decimal:
    return per_million((prompt, "0.60"), (audio, "12.00"))


def image_mini(prompt: int, made: int, pictures: int = 0) -> Decimal:
    """gpt-image-1-mini: tokens of the words, of the pictures made, and of those looked at."""
    return per_million((prompt, "2.00"), (pictures, "2.50"), (made, "8.00"))


def transcribe(prompt: int, audio: int, completion: int) -> Decimal:
    """gpt-4o-transcribe."""
    return per_million((prompt, "2.50"), (audio, "6.00"), (completion, "10.00"))


def whisper(milliseconds: int) -> Decimal:
    """USD 0.0001 per second."""
    return (milliseconds * Decimal("0.0000001")).quantize(NANO, ROUND_CEILING)


def embedding_small(prompt: int) -> Decimal:
    return per_million((prompt, "0.02"))
