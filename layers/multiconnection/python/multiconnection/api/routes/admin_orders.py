"""/api/admin/orders: the queue of recharge orders, and the decisions about them."""

from typing import Any

from fastapi import APIRouter, Request

from multiconnection.api.console import LIMIT, LimitQuery, list_object, small_body_of
from multiconnection.api.console_services import ConsoleDep
from multiconnection.api.session import AdminDep
from multiconnection.domain.money import nano_to_usd
from multiconnection.domain.orders import OrderStatus
from multiconnection.schemas.orders import ApproveBody, RejectBody
from multiconnection.services.order_decisions import ReviewedOrder

from .orders import order_object

router = APIRouter()


@router.get("/api/admin/orders")
async def list_orders(
    services: ConsoleDep,
    admin: AdminDep,
    status: OrderStatus = OrderStatus.IN_REVIEW,
    limit: LimitQuery = LIMIT,
    cursor: str | None = None,
) -> dict[str, Any]:
    """Oldest first."""
    reviewed, after = await services.orders.decisions.queue(status, limit, cursor)
    return list_object([reviewed_object(order) for order in reviewed], after)


@router.get("/api/admin/orders/{order_id}")
async def retrieve_order(order_id: str, services: ConsoleDep, admin: AdminDep) -> dict[str, Any]:
    return reviewed_object(await services.orders.decisions.get(order_id))


@router.post("/api/admin/orders/{order_id}/approve")
async def approve_order(order_id: str, request: Request, services: ConsoleDep, admin: AdminDep) -> dict[str, Any]:
    """The workflow credits a moment later; the answer shows the order as approved."""
    body = await small_body_of(request, ApproveBody)
    decisions = services.orders.decisions
    order = await decisions.approve(admin, order_id, body.amount, body.account_id, body.note or "")
    return reviewed_object(await decisions.reviewed(order))


@router.post("/api/admin/orders/{order_id}/reject")
async def reject_order(order_id: str, request: Request, services: ConsoleDep, admin: AdminDep) -> dict[str, Any]:
    body = await small_body_of(request, RejectBody)
    decisions = services.orders.decisions
    return reviewed_object(await decisions.reviewed(await decisions.reject(admin, order_id, body.reason)))


def reviewed_object(reviewed: ReviewedOrder) -> dict[str, Any]:
    """An order as administrators see it: with its account, its receipt and who decided."""
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
