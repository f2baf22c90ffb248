"""Embedding vectors in the two formats of the API: numbers, and base64 of little-endian 32-bit floats."""

import binascii
import sys
from array import array
from base64 import b64decode, b64encode
from math import isinf

FLOAT_BYTES = 4


def in_format(vector: object, encoding_format: str) -> str | list[float]:
    """The vector as `float` or `base64`, whichever of them it came in; raises ValueError for neither."""
    if isinstance(vector, str):
        floats = from_base64(vector)
        return vector if encoding_format == "base64" else floats.tolist()
    if not isinstance(vector, list) or not vector or not all(type(number) in (int, float) for number in vector):
        raise ValueError("not a vector")
    return to_base64(vector) if encoding_format == "base64" else vector


def from_base64(text: str) -> "array[float]":
    """Raises ValueError."""
    try:
        raw = b64decode(text, validate=True)
    except binascii.Error as exc:
        raise ValueError("not base64") from exc
    if not raw or len(raw) % FLOAT_BYTES:
        raise ValueError("not 32-bit floats")
    return _little_endian(array("f", raw))


def to_base64(numbers: list[float]) -> str:
    """Raises ValueError for numbers that no 32-bit float can hold."""
    try:
        floats = array("f", numbers)
    except OverflowError as exc:
        raise ValueError("not 32-bit floats") from exc
    if any(map(isinf, floats)):
        raise ValueError("not 32-bit floats")
    return b64encode(_little_endian(floats).tobytes()).decode("ascii")


def _little_endian(floats: "array[float]") -> "array[float]":
    if sys.byteorder == "big":
        floats.byteswap()
    return floats
