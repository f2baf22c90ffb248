"""/api/orders for a user's own recharge orders, /api/admin/orders for the administrators' decisions."""

from typing import Annotated

from fastapi import APIRouter, Request, Response

from multiconnection.identity.browser import LIMIT, ActiveUserDep, AdminDep, LimitQuery, SessionDep, small_body_of
from multiconnection.money import nano_to_usd
from multiconnection.uploads.schemas import PresignedPut
from multiconnection.web.context import service
from multiconnection.web.openapi import Page, refuses, takes
from multiconnection.web.validation import ReasonBody

from .decisions import OrderDecisions, ReviewedOrder
from .models import OrderStatus
from .receipts import ReceiptService
from .schemas import (
    ApproveBody,
    OrderAccountAnswer,
    OrderAnswer,
    OrderBody,
    OrderOptionsAnswer,
    ReceiptBody,
    ReceiptUploadAnswer,
    ReviewedOrderAnswer,
)
from .service import OrderService

DecisionsDep = Annotated[OrderDecisions, service("decisions")]
OrdersDep = Annotated[OrderService, service("orders")]
ReceiptsDep = Annotated[ReceiptService, service("receipts")]

router = APIRouter(prefix="/api/orders", tags=["Recharge"])
admin_router = APIRouter(prefix="/api/admin/orders", tags=["Admin"])


@router.get("", summary="List your recharge orders")
async def list_orders(
    orders: OrdersDep, session: SessionDep, limit: LimitQuery = LIMIT, cursor: str | None = None
) -> Page[OrderAnswer]:
    """Newest first."""
    page = await orders.list(session.account_id, limit, cursor)
    return Page(data=[OrderAnswer.of(order) for order in page.orders], next_cursor=page.after)


@router.post(
    "",
    status_code=201,
    summary="Create a recharge order",
    responses={200: {"model": OrderAnswer, "description": "The order of an earlier request"}, **refuses(409)},
    openapi_extra=takes(OrderBody),
)
async def create_order(request: Request, response: Response, orders: OrdersDep, session: ActiveUserDep) -> OrderAnswer:
    """201 for a new order, 200 with the existing one for a client token that was used before."""
    order, is_new = await orders.create(session, await small_body_of(request, OrderBody))
    response.status_code = 201 if is_new else 200
    return OrderAnswer.of(order)


@router.get("/options", summary="Currencies, bounds, methods, bank details")
async def order_options(orders: OrdersDep, session: SessionDep) -> OrderOptionsAnswer:
    return OrderOptionsAnswer.of(orders.terms)


@router.get("/{order_id}", summary="Retrieve an order with its timeline", responses=refuses(404))
async def retrieve_order(order_id: str, orders: OrdersDep, session: SessionDep) -> OrderAnswer:
    return OrderAnswer.of(await orders.get(session.account_id, order_id))


@router.post("/{order_id}/cancel", summary="Cancel an order", responses=refuses(404, 409))
async def cancel_order(order_id: str, orders: OrdersDep, session: SessionDep) -> OrderAnswer:
    return OrderAnswer.of(await orders.cancel(session.account_id, order_id))


@router.post(
    "/{order_id}/receipt",
    summary="Get a URL for a receipt",
    responses=refuses(404, 409),
    openapi_extra=takes(ReceiptBody),
)
async def upload_receipt(
    order_id: str, request: Request, receipts: ReceiptsDep, session: ActiveUserDep
) -> ReceiptUploadAnswer:
    """A URL for the proof of payment; call `receipt/done` once the file is uploaded."""
    body = await small_body_of(request, ReceiptBody)
    upload = await receipts.upload(session.account_id, order_id, body.content_type, body.bytes)
    put = PresignedPut.of(upload.url, upload.content_type, upload.size)
    return ReceiptUploadAnswer(upload=put, expires_at=upload.expires_s)


@router.post("/{order_id}/receipt/done", summary="Hand in the uploaded receipt", responses=refuses(400, 404, 409, 413))
async def receipt_uploaded(order_id: str, receipts: ReceiptsDep, session: ActiveUserDep) -> OrderAnswer:
    return OrderAnswer.of(await receipts.done(session.account_id, order_id))


@admin_router.get("", summary="List the orders of one state")
async def admin_list_orders(
    decisions: DecisionsDep,
    admin: AdminDep,
    status: OrderStatus = OrderStatus.IN_REVIEW,
    limit: LimitQuery = LIMIT,
    cursor: str | None = None,
) -> Page[ReviewedOrderAnswer]:
    """Oldest first."""
    reviewed, after = await decisions.queue(status, limit, cursor)
    return Page(data=[reviewed_answer(order) for order in reviewed], next_cursor=after)


@admin_router.get("/{order_id}", summary="Retrieve an order with its account and receipt", responses=refuses(404))
async def admin_retrieve_order(order_id: str, decisions: DecisionsDep, admin: AdminDep) -> ReviewedOrderAnswer:
    return reviewed_answer(await decisions.get(order_id))


@admin_router.post(
    "/{order_id}/approve",
    summary="Approve an order",
    responses=refuses(404, 409),
    openapi_extra=takes(ApproveBody),
)
async def approve_order(
    order_id: str, request: Request, decisions: DecisionsDep, admin: AdminDep
) -> ReviewedOrderAnswer:
    """The body repeats amount and account. The workflow credits the order a moment later."""
    body = await small_body_of(request, ApproveBody)
    order = await decisions.approve(admin, order_id, body.amount, body.account_id, body.note or "")
    return reviewed_answer(await decisions.reviewed(order))


@admin_router.post(
    "/{order_id}/reject",
    summary="Reject an order",
    responses=refuses(404, 409),
    openapi_extra=takes(ReasonBody),
)
async def reject_order(
    order_id: str, request: Request, decisions: DecisionsDep, admin: AdminDep
) -> ReviewedOrderAnswer:
    """The user is sent the reason."""
    body = await small_body_of(request, ReasonBody)
    return reviewed_answer(await decisions.reviewed(await decisions.reject(admin, order_id, body.reason)))


def reviewed_answer(reviewed: ReviewedOrder) -> ReviewedOrderAnswer:
    order, account = reviewed.order, reviewed.account
    return ReviewedOrderAnswer.of(
        order,
        account=OrderAccountAnswer(
            id=order.account_id,
            email=order.email,
            balance=nano_to_usd(account.available if account else 0),
            credits_total=nano_to_usd(account.credits_in if account else 0),
            orders_count=reviewed.orders_count,
            status=account.status if account else None,
        ),
        decided_by=order.decided_by or None,
        receipt_url=reviewed.receipt_url,
    )
