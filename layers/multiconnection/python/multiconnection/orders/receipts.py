"""Proof of payment: a file that the user's browser puts into the payload bucket itself.

The URL for that stays good for a while. So what has been handed in is copied to where no URL leads, and the copy is
what administrators are shown.
"""

from dataclasses import dataclass

from multiconnection.aws.s3 import PayloadMissing, PayloadStore, PayloadStoreError, PayloadTooLarge, StoredObject
from multiconnection.errors import OrderConflict, RequestInvalid, RequestTooLarge, StorageUnavailable
from multiconnection.ports import Clock
from multiconnection.uploads.service import media_type

from .models import OPEN, Order, OrderRefused, Receipt
from .service import OrderAccess, OrderService, not_pending

RECEIPT_TYPES = ("image/png", "image/jpeg", "image/webp", "application/pdf")
RECEIPT_BYTES_MAX = 10 * 1024 * 1024
UPLOAD_S = 900
SHOWN_S = 600


@dataclass(frozen=True, slots=True)
class ReceiptUpload:
    """A PUT of exactly `size` bytes to `url` until `expires_s`."""

    url: str
    content_type: str
    size: int
    expires_s: int


class ReceiptService:
    """A receipt may be replaced until the order is decided about."""

    def __init__(self, access: OrderAccess, orders: OrderService, payloads: PayloadStore, clock: Clock) -> None:
        self._access = access
        self._orders = orders
        self._payloads = payloads
        self._clock = clock

    async def upload(self, account_id: str, order_id: str, content_type: str, size: int) -> ReceiptUpload:
        """Raises OrderNotFound, OrderNotPending, RequestInvalid, RequestTooLarge or StorageUnavailable."""
        order = await self._open(account_id, order_id)
        kind = _checked(content_type, size)
        expires_s = int(self._clock.now()) + UPLOAD_S
        try:
            url = await self._payloads.presigned_put(upload_key(order), size, kind, UPLOAD_S)
        except PayloadStoreError as exc:
            raise _unavailable() from exc
        return ReceiptUpload(url, kind, size, expires_s)

    async def done(self, account_id: str, order_id: str) -> Order:
        """The order with the receipt that has arrived. Raises as `upload` does, and OrderConflict when none has."""
        order = await self._open(account_id, order_id)
        found = await self._head(order)
        if found is None:
            raise OrderConflict("No receipt has arrived for this order yet: send the file to the upload URL first.")
        kind = _checked(found.content_type, found.size)
        body = await self._read(upload_key(order))
        if not body:
            raise OrderConflict("The receipt was taken away while it was looked at; please send it again.")
        receipt = Receipt(kind, len(body), int(self._clock.now()))
        await self._keep(order, receipt, body)
        try:
            return await self._access.reliably(lambda: self._access.store.set_receipt(order, receipt))
        except OrderRefused as exc:
            raise not_pending(exc.order or order) from exc

    async def url(self, order: Order) -> str | None:
        """For an administrator to look at; None where there is no receipt. Raises StorageUnavailable."""
        if order.receipt is None:
            return None
        try:
            return await self._payloads.presigned_get(receipt_key(order, order.receipt), SHOWN_S)
        except PayloadStoreError as exc:
            raise _unavailable() from exc

    async def _open(self, account_id: str, order_id: str) -> Order:
        order = await self._orders.get(account_id, order_id)
        if order.status not in OPEN:
            raise not_pending(order)
        return order

    async def _head(self, order: Order) -> StoredObject | None:
        try:
            return await self._payloads.head(upload_key(order))
        except PayloadStoreError as exc:
            raise _unavailable() from exc

    async def _keep(self, order: Order, receipt: Receipt, body: bytes) -> None:
        """Raises OrderConflict where another file was handed in within this second: a copy is never replaced."""
        key = receipt_key(order, receipt)
        kept = await self._read(key)
        if kept == body:
            return
        if kept:
            raise OrderConflict("Another receipt was handed in a moment ago; please send this one again.")
        try:
            await self._payloads.put(key, body, receipt.content_type)
        except PayloadStoreError as exc:
            raise _unavailable() from exc

    async def _read(self, key: str) -> bytes:
        """Empty: no such object. What is too large by now was exchanged after it was looked at."""
        try:
            return await self._payloads.get(key, RECEIPT_BYTES_MAX)
        except PayloadMissing:
            return b""
        except PayloadTooLarge as exc:
            raise RequestTooLarge(f"A receipt has at most {RECEIPT_BYTES_MAX} bytes.", param="bytes") from exc
        except PayloadStoreError as exc:
            raise _unavailable() from exc


def upload_key(order: Order) -> str:
    """Where the owner's browser writes. Ids of our own making: no slash, no dot."""
    return f"receipts/{order.account_id}/{order.order_id}"


def receipt_key(order: Order, receipt: Receipt) -> str:
    """The copy: with a dot, so that it is no order's upload, and with all that is recorded of it."""
    _, _, extension = receipt.content_type.rpartition("/")
    return f"{upload_key(order)}.{receipt.uploaded_s}-{receipt.size}.{extension}"


def _checked(content_type: str, size: int) -> str:
    kind = media_type(content_type)
    if kind not in RECEIPT_TYPES:
        raise RequestInvalid(f"A receipt is one of {', '.join(RECEIPT_TYPES)}.", param="content_type")
    if size > RECEIPT_BYTES_MAX:
        raise RequestTooLarge(f"A receipt has at most {RECEIPT_BYTES_MAX} bytes.", param="bytes")
    if size <= 0:
        raise RequestInvalid("The receipt is empty.", param="bytes")
    return kind


def _unavailable() -> StorageUnavailable:
    return StorageUnavailable("Receipts cannot be stored or read at the moment.", retry_after_s=1, retryable=True)
