"""Base 62 in ASCII order, so that encoded numbers of one width sort as the numbers do."""

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VALUE = {char: value for value, char in enumerate(ALPHABET)}


def encode(number: int, width: int = 1) -> str:
    """At least `width` digits; raises ValueError below zero."""
    if number < 0:
        raise ValueError("base 62 encodes no negative numbers")
    digits = ""
    while number:
        number, rest = divmod(number, 62)
        digits = ALPHABET[rest] + digits
    return digits.rjust(width, "0")


def decode(text: str) -> int:
    """Raises ValueError on any character outside the alphabet."""
    number = 0
    for char in text:
        if char not in _VALUE:
            raise ValueError(f"not base 62: {char!r}")
        number = number * 62 + _VALUE[char]
    return number


def is_base62(text: str) -> bool:
    return bool(text) and all(char in _VALUE for char in text)
