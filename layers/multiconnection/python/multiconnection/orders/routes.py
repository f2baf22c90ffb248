"""/api/orders for a user's own recharge orders, /api/admin/orders for the administrators' decisions."""

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response

from multiconnection.identity.browser import (
    LIMIT,
    ActiveUserDep,
    AdminDep,
    LimitQuery,
    SessionDep,
    list_object,
    small_body_of,
)
from multiconnection.money import nano_to_usd
from multiconnection.web.context import service

from .decisions import OrderDecisions, ReviewedOrder
from .models import METHODS, Order, OrderStatus, OrderTerms, amount_text, rate_text
from .receipts import ReceiptService, ReceiptUpload
from .schemas import ApproveBody, OrderBody, ReceiptBody, RejectBody
from .service import OrderService

DecisionsDep = Annotated[OrderDecisions, service("decisions")]
OrdersDep = Annotated[OrderService, service("orders")]
ReceiptsDep = Annotated[ReceiptService, service("receipts")]

router = APIRouter()
admin_router = APIRouter()
_BY_USER = (OrderStatus.SUBMITTED, OrderStatus.CANCELLED)
_BY_ADMIN = (OrderStatus.APPROVED, OrderStatus.REJECTED)


@router.get("/api/orders")
async def list_orders(
    orders: OrdersDep, session: SessionDep, limit: LimitQuery = LIMIT, cursor: str | None = None
) -> dict[str, Any]:
    """Newest first."""
    page = await orders.list(session.account_id, limit, cursor)
    return list_object([order_object(order) for order in page.orders], page.after)


@router.post("/api/orders")
async def create_order(
    request: Request, response: Response, orders: OrdersDep, session: ActiveUserDep
) -> dict[str, Any]:
    """201 for a new order, 200 with the existing one for a client token that was used before."""
    body = await small_body_of(request, OrderBody)
    order, is_new = await orders.create(session, body)
    response.status_code = 201 if is_new else 200
    return order_object(order)


@router.get("/api/orders/options")
async def order_options(orders: OrdersDep, session: SessionDep) -> dict[str, Any]:
    """Currencies, bounds and methods of an order, and the payee."""
    return options_object(orders.terms)


@router.get("/api/orders/{order_id}")
async def retrieve_order(order_id: str, orders: OrdersDep, session: SessionDep) -> dict[str, Any]:
    return order_object(await orders.get(session.account_id, order_id))


@router.post("/api/orders/{order_id}/cancel")
async def cancel_order(order_id: str, orders: OrdersDep, session: SessionDep) -> dict[str, Any]:
    return order_object(await orders.cancel(session.account_id, order_id))


@router.post("/api/orders/{order_id}/receipt")
async def upload_receipt(
    order_id: str, request: Request, receipts: ReceiptsDep, session: ActiveUserDep
) -> dict[str, Any]:
    """A URL for the proof of payment; call `receipt/done` once the file is uploaded."""
    body = await small_body_of(request, ReceiptBody)
    return upload_object(await receipts.upload(session.account_id, order_id, body.content_type, body.bytes))


@router.post("/api/orders/{order_id}/receipt/done")
async def receipt_uploaded(order_id: str, receipts: ReceiptsDep, session: ActiveUserDep) -> dict[str, Any]:
    return order_object(await receipts.done(session.account_id, order_id))


def order_object(order: Order) -> dict[str, Any]:
    """An order as its owner sees it, without the workflow's token and the administrator's name."""
    return {
        "object": "order",
        "id": order.order_id,
        "reference": order.reference,
        "amount": amount_text(order.cents),
        "currency": order.currency,
        "rate": rate_text(order.rate),
        "credit": nano_to_usd(order.credit),
        "method": order.method,
        "status": order.status.value,
        "note": order.note,
        "created": order.created_s,
        "expires_at": order.expires_s,
        "receipt": _receipt_object(order),
        "timeline": [_event_object(order, status, at_s) for status, at_s in order.timeline],
        "reason": order.reason or None,
    }


def options_object(terms: OrderTerms) -> dict[str, Any]:
    details = terms.bank_details
    return {
        "object": "order_options",
        "currencies": [
            {"code": code, "rate": f"1 {code} = {rate_text(rate)} USD", "usd_per_unit": rate_text(rate)}
            for code, rate in terms.rates.items()
        ],
        "amount_min": nano_to_usd(terms.least),
        "amount_max": nano_to_usd(terms.most),
        "methods": list(METHODS),
        "legal_entity": terms.legal_entity,
        "bank_details": details and [{"label": detail.label, "value": detail.value} for detail in details],
        "order_ttl_s": terms.ttl_s,
    }


def upload_object(upload: ReceiptUpload) -> dict[str, Any]:
    """The upload. The PUT has to send exactly these headers, because they are signed."""
    headers = {"content-type": upload.content_type, "content-length": str(upload.size)}
    return {"upload": {"method": "PUT", "url": upload.url, "headers": headers}, "expires_at": upload.expires_s}


def _receipt_object(order: Order) -> dict[str, Any] | None:
    receipt = order.receipt
    if receipt is None:
        return None
    return {"content_type": receipt.content_type, "bytes": receipt.size, "uploaded": receipt.uploaded_s}


def _event_object(order: Order, status: OrderStatus, at_s: int) -> dict[str, Any]:
    by = "you" if status in _BY_USER else "administrator" if status in _BY_ADMIN else "system"
    reason = {"reason": order.reason} if order.reason and status in _BY_ADMIN else {}
    return {"status": status.value, "at": at_s, "by": by, **reason}


@admin_router.get("/api/admin/orders")
async def admin_list_orders(
    decisions: DecisionsDep,
    admin: AdminDep,
    status: OrderStatus = OrderStatus.IN_REVIEW,
    limit: LimitQuery = LIMIT,
    cursor: str | None = None,
) -> dict[str, Any]:
    """Oldest first."""
    reviewed, after = await decisions.queue(status, limit, cursor)
    return list_object([reviewed_object(order) for order in reviewed], after)


@admin_router.get("/api/admin/orders/{order_id}")
async def admin_retrieve_order(order_id: str, decisions: DecisionsDep, admin: AdminDep) -> dict[str, Any]:
    return reviewed_object(await decisions.get(order_id))


@admin_router.post("/api/admin/orders/{order_id}/approve")
async def approve_order(order_id: str, request: Request, decisions: DecisionsDep, admin: AdminDep) -> dict[str, Any]:
    """Approve an order. The workflow credits it a moment later."""
    body = await small_body_of(request, ApproveBody)
    order = await decisions.approve(admin, order_id, body.amount, body.account_id, body.note or "")
    return reviewed_object(await decisions.reviewed(order))


@admin_router.post("/api/admin/orders/{order_id}/reject")
async def reject_order(order_id: str, request: Request, decisions: DecisionsDep, admin: AdminDep) -> dict[str, Any]:
    body = await small_body_of(request, RejectBody)
    return reviewed_object(await decisions.reviewed(await decisions.reject(admin, order_id, body.reason)))


def reviewed_object(reviewed: ReviewedOrder) -> dict[str, Any]:
    """An order as administrators see it, with its account, its receipt and the decision's author."""
    order, account = reviewed.order, reviewed.account
    return {
        **order_object(order),
        "account": {
            "id": order.account_id,
            "email": order.email,
            "balance": nano_to_usd(account.available if account else 0),
            "credits_total": nano_to_usd(account.credits_in if account else 0),
            "orders_count": reviewed.orders_count,
            "status": account.status if account else None,
        },
        "decided_by": order.decided_by or None,
        "receipt_url": reviewed.receipt_url,
    }
