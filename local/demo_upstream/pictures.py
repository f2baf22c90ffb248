"""Draws the demo's pictures: coloured blocks, mirrored, the same for the same words."""

import io
from functools import lru_cache
from hashlib import shake_256
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

Size = tuple[int, int]

KEPT_MAX = 32
BLOCKS = 8
_COLOURS = 16
# JPEG and WebP need no better quality for flat blocks; WebP's fastest method draws a megapixel in 30 ms.
_OPTIONS: dict[str, dict[str, int]] = {
    "png": {"compress_level": 6},
    "jpeg": {"quality": 80},
    "webp": {"quality": 80, "method": 0},
}


class NoPicture(ValueError):
    """The bytes are no picture."""


@lru_cache(maxsize=KEPT_MAX)
def picture(words: str, size: Size, kind: str, blocks: int = BLOCKS) -> bytes:
    """A PNG, JPEG or WebP of exactly this size, a few kilobytes."""
    from PIL import Image  # not paid for by chat alone

    seed = shake_256(words.encode()).digest(blocks * blocks + 3 * _COLOURS)
    rows = [seed[at : at + (blocks + 1) // 2] for at in range(0, blocks * blocks, blocks)]
    mirrored = b"".join(bytes(one % _COLOURS for one in (row + row[: blocks // 2][::-1])) for row in rows)
    drawn = Image.frombytes("P", (blocks, blocks), mirrored)
    drawn.putpalette(seed[-3 * _COLOURS :])
    drawn = drawn.resize(size, Image.Resampling.NEAREST)
    return _saved(drawn if kind == "png" else drawn.convert("RGB"), kind)


def noise(words: str, size: Size, kind: str) -> bytes:
    """A picture that cannot be compressed: about three bytes a pixel as PNG."""
    from PIL import Image

    pixels = Random(words).randbytes(3 * size[0] * size[1])  # noqa: S311 - a picture, not a secret
    return _saved(Image.frombytes("RGB", size, pixels), kind)


def check_picture(data: bytes) -> None:
    """Raises NoPicture for what cannot be decoded."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as found:
            found.load()
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as exc:
        raise NoPicture(str(exc)) from exc


def _saved(drawn: "Image.Image", kind: str) -> bytes:
    file = io.BytesIO()
    drawn.save(file, kind, **_OPTIONS[kind])
    return file.getvalue()
