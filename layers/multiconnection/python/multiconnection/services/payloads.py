"""What the use cases need of the payload bucket: whole objects, and URLs that let others read or write one."""

from dataclasses import dataclass
from typing import Protocol


class PayloadStoreError(Exception):
    """The store could not do it; what was asked for may be asked for again."""


class PayloadMissing(PayloadStoreError):
    """There is no object under this key."""


class PayloadTooLarge(PayloadStoreError):
    """The object has more bytes than the reader can take."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What HEAD tells."""

    key: str
    size: int
    content_type: str


class PayloadStore(Protocol):
    """Keys are built from an account's own id by whoever calls; the store believes them."""

    async def put(self, key: str, body: bytes, content_type: str) -> None:
        """Returns when the object can be read; writing the same again is the same. Raises PayloadStoreError."""

    async def head(self, key: str) -> StoredObject | None:
        """None: no such object. Raises PayloadStoreError."""

    async def get(self, key: str, bytes_max: int) -> bytes:
        """The whole object. Raises PayloadMissing, PayloadTooLarge or PayloadStoreError."""

    async def presigned_get(self, key: str, expires_s: int) -> str:
        """A URL that reads the object without credentials; it need not exist yet. Raises PayloadStoreError."""

    async def presigned_put(self, key: str, size: int, content_type: str, expires_s: int) -> str:
        """A URL that writes the object: exactly `size` bytes, sent as `content_type`. Raises PayloadStoreError."""
