"""Receipts, the proofs of payment: files that the user's browser puts into the payload bucket itself.

The upload URL stays valid for a while. A receipt is therefore copied to a key that no URL can write to, and
administrators are shown the copy.
"""

from dataclasses import dataclass

from multiconnection.aws.s3 import PayloadMissing, PayloadStore, PayloadStoreError, PayloadTooLarge, StoredObject
from multiconnection.errors import OrderConflict, RequestInvalid, RequestTooLarge, StorageUnavailable
from multiconnection.uploads.service import media_type

from .models import OPEN, Order, OrderRefused, Receipt
from .service import OrderAccess, OrderService, not_pending

RECEIPT_TYPES = ("image/png", "image/jpeg", "image/webp", "application/pdf")
RECEIPT_BYTES_MAX = 10 * 1024 * 1024
UPLOAD_URL_S = 900
DOWNLOAD_URL_S = 600


@dataclass(frozen=True, slots=True)
class ReceiptUpload:
    """A PUT of exactly `size` bytes to `url` until `expires_s`."""

    url: str
    content_type: str
    size: int
    expires_s: int


class ReceiptService:
    """Receipts of a user's own orders. One may be replaced until the order is decided."""

    def __init__(self, access: OrderAccess, orders: OrderService, payloads: PayloadStore) -> None:
        self._access = access
        self._orders = orders
        self._payloads = payloads

    async def upload(self, account_id: str, order_id: str, content_type: str, size: int) -> ReceiptUpload:
        """A place for the file. Raises OrderNotFound, OrderNotPending, RequestInvalid, RequestTooLarge or
        StorageUnavailable."""
        order = await self._open(account_id, order_id)
        kind = _checked(content_type, size)
        expires_s = self._access.now_s() + UPLOAD_URL_S
        try:
            url = await self._payloads.presigned_put(upload_key(order), size, kind, UPLOAD_URL_S)
        except PayloadStoreError as exc:
            raise _unavailable() from exc
        return ReceiptUpload(url, kind, size, expires_s)

    async def done(self, account_id: str, order_id: str) -> Order:
        """The order with the uploaded receipt. Raises as `upload` does, and OrderConflict when there is none."""
        order = await self._open(account_id, order_id)
        found = await self._head(order)
        if found is None:
            raise OrderConflict("No receipt has arrived for this order yet: send the file to the upload URL first.")
        kind = _checked(found.content_type, found.size)
        body = await self._read(upload_key(order))
        if not body:
            raise OrderConflict("The receipt was taken away while it was looked at; please send it again.")
        receipt = Receipt(kind, len(body), self._access.now_s())
        await self._keep(order, receipt, body)
        try:
            return await self._access.reliably(lambda: self._access.table.set_receipt(order, receipt))
        except OrderRefused as exc:
            raise not_pending(exc.order or order) from exc

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
        """Copy the receipt. Raises OrderConflict if another file was copied within this second: copies are never
        replaced."""
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
        """The object's body, empty when there is no object. One that is too large was replaced after its check."""
        try:
            return await self._payloads.get(key, RECEIPT_BYTES_MAX)
        except PayloadMissing:
            return b""
        except PayloadTooLarge as exc:
            raise RequestTooLarge(f"A receipt has at most {RECEIPT_BYTES_MAX} bytes.", param="bytes") from exc
        except PayloadStoreError as exc:
            raise _unavailable() from exc


async def receipt_url(payloads: PayloadStore, order: Order, receipt: Receipt) -> str:
    """A URL at which an administrator sees the copy. Raises StorageUnavailable."""
    try:
        return await payloads.presigned_get(receipt_key(order, receipt), DOWNLOAD_URL_S)
    except PayloadStoreError as exc:
        raise _unavailable() from exc


def upload_key(order: Order) -> str:
    """The key that the owner's browser writes to. The ids are our own and contain neither slash nor dot."""
    return f"receipts/{order.account_id}/{order.order_id}"


def receipt_key(order: Order, receipt: Receipt) -> str:
    """The key of the copy: the dot keeps it apart from every upload, and the rest is the receipt's record."""
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
