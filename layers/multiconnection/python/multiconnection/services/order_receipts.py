"""Proof of payment: a file that the user's browser puts into the payload bucket itself."""

from dataclasses import dataclass

from multiconnection.domain.errors import OrderConflict, RequestInvalid, RequestTooLarge, StorageUnavailable
from multiconnection.domain.orders import OPEN, Order, Receipt
from multiconnection.domain.ports import Clock

from .order_access import OrderAccess, not_pending
from .order_ports import OrderRefused
from .orders import OrderService
from .payload_types import media_type
from .payloads import PayloadStore, PayloadStoreError, StoredObject

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
            url = await self._payloads.presigned_put(receipt_key(order), size, kind, UPLOAD_S)
        except PayloadStoreError as exc:
            raise _unavailable() from exc
        return ReceiptUpload(url, kind, size, expires_s)

    async def done(self, account_id: str, order_id: str) -> Order:
        """The order with the receipt that has arrived. Raises as `upload` does, and OrderConflict when none has."""
        order = await self._open(account_id, order_id)
        found = await self._head(order)
        if found is None:
            raise OrderConflict("No receipt has arrived for this order yet: send the file to the upload URL first.")
        receipt = Receipt(_checked(found.content_type, found.size), found.size, int(self._clock.now()))
        try:
            return await self._access.reliably(lambda: self._access.store.set_receipt(order, receipt))
        except OrderRefused as exc:
            raise not_pending(exc.order or order) from exc

    async def url(self, order: Order) -> str | None:
        """For an administrator to look at; None where there is no receipt. Raises StorageUnavailable."""
        if order.receipt is None:
            return None
        try:
            return await self._payloads.presigned_get(receipt_key(order), SHOWN_S)
        except PayloadStoreError as exc:
            raise _unavailable() from exc

    async def _open(self, account_id: str, order_id: str) -> Order:
        order = await self._orders.get(account_id, order_id)
        if order.status not in OPEN:
            raise not_pending(order)
        return order

    async def _head(self, order: Order) -> StoredObject | None:
        try:
            return await self._payloads.head(receipt_key(order))
        except PayloadStoreError as exc:
            raise _unavailable() from exc


def receipt_key(order: Order) -> str:
    """Ids of our own making: no slash, no dot."""
    return f"receipts/{order.account_id}/{order.order_id}"


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
