"""Keeps the pictures that were answered as URLs, the latest ones only."""

from collections import OrderedDict
from hashlib import sha256

PICTURES_MAX = 64
ROUTE = "/_images/"


class Gallery:
    """PNGs by id."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, bytes] = OrderedDict()

    def keep(self, picture: bytes) -> str:
        """Where the picture can be read, as a path; the oldest one makes room."""
        name = sha256(picture).hexdigest()[:32]
        self._kept[name] = picture
        self._kept.move_to_end(name)
        if len(self._kept) > PICTURES_MAX:
            self._kept.popitem(last=False)
        return f"{ROUTE}{name}.png"

    def find(self, path: str) -> bytes | None:
        """The picture at a path that `keep` gave, or None."""
        return self._kept.get(path.partition(ROUTE)[2].removesuffix(".png"))


GALLERY = Gallery()
