"""/api/balance and /api/credits for the signed-in user; adjustments of accounts for administrators."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from multiconnection.identity.browser import LIMIT, AdminDep, CursorQuery, LimitQuery, UserDep, body_of, list_object
from multiconnection.ledger.models import CreditRow
from multiconnection.money import nano_to_usd
from multiconnection.web.context import service
from multiconnection.web.validation import ReasonBody

from .models import Adjustment, AdjustmentStatus
from .schemas import AdjustBody
from .service import AdminAdjustments, BalanceService

AdjustmentsDep = Annotated[AdminAdjustments, service("adjustments")]
BalancesDep = Annotated[BalanceService, service("balances")]
StatusQuery = Annotated[AdjustmentStatus, Query()]

router = APIRouter()
admin_router = APIRouter()


@router.get("/api/balance")
async def console_balance(balances: BalancesDep, user: UserDep) -> dict[str, Any]:
    """Always adds up: `credits_in` is `available` + `in_flight` + `charged`."""
    balance = await balances.balance(user.account_id)
    return {
        "currency": "USD",
        "available": nano_to_usd(balance.available),
        "in_flight": nano_to_usd(balance.in_flight),
        "credits_in": nano_to_usd(balance.credits_in),
        "charged": nano_to_usd(balance.charged),
    }


@router.get("/api/credits")
async def list_credits(
    balances: BalancesDep, user: UserDep, limit: LimitQuery = LIMIT, cursor: CursorQuery = None
) -> dict[str, Any]:
    """Newest first."""
    page = await balances.credits(user.account_id, cursor, limit)
    return list_object([credit_object(row) for row in page.rows], page.after)


def credit_object(row: CreditRow) -> dict[str, Any]:
    return {
        "id": row.credit_id,
        "kind": row.kind,
        "amount": nano_to_usd(row.amount),
        "note": row.reason,
        "created": row.created_ms // 1000,
        # An order is credited under its own id, so that it happens once.
        "order_id": row.credit_id if row.kind == "order" else None,
    }


@admin_router.post("/api/admin/accounts/{account_id}/adjust")
async def adjust_account(
    account_id: str, request: Request, adjustments: AdjustmentsDep, admin: AdminDep
) -> dict[str, Any]:
    """Give or take money, once for each client token. A large amount waits for a second administrator."""
    body = await body_of(request, AdjustBody)
    made = await adjustments.propose(admin, account_id, body.amount, body.reason, body.client_token)
    return {"adjustment": adjustment_object(made)}


@admin_router.get("/api/admin/adjustments")
async def list_adjustments(
    adjustments: AdjustmentsDep,
    admin: AdminDep,
    status: StatusQuery = AdjustmentStatus.AWAITING_SECOND,
    limit: LimitQuery = LIMIT,
    cursor: CursorQuery = None,
) -> dict[str, Any]:
    """Oldest first."""
    page = await adjustments.list(status, limit, cursor)
    return list_object([adjustment_object(each) for each in page.adjustments], page.after)


@admin_router.get("/api/admin/adjustments/{adjustment_id}")
async def retrieve_adjustment(adjustment_id: str, adjustments: AdjustmentsDep, admin: AdminDep) -> dict[str, Any]:
    return adjustment_object(await adjustments.get(adjustment_id))


@admin_router.post("/api/admin/adjustments/{adjustment_id}/approve")
async def approve_adjustment(adjustment_id: str, adjustments: AdjustmentsDep, admin: AdminDep) -> dict[str, Any]:
    """Only for an administrator who has not proposed it."""
    return {"adjustment": adjustment_object(await adjustments.approve(admin, adjustment_id))}


@admin_router.post("/api/admin/adjustments/{adjustment_id}/reject")
async def reject_adjustment(
    adjustment_id: str, request: Request, adjustments: AdjustmentsDep, admin: AdminDep
) -> dict[str, Any]:
    body = await body_of(request, ReasonBody)
    return {"adjustment": adjustment_object(await adjustments.reject(admin, adjustment_id, body.reason))}


def adjustment_object(adjustment: Adjustment) -> dict[str, Any]:
    return {
        "object": "adjustment",
        "id": adjustment.adjustment_id,
        "account_id": adjustment.account_id,
        "amount": nano_to_usd(adjustment.amount),
        "reason": adjustment.reason,
        "status": adjustment.status.value,
        "created": adjustment.created_s,
        "proposed_by": adjustment.proposed_by,
        "decided_by": adjustment.decided_by or None,
        "decided_at": adjustment.decided_s,
        "note": adjustment.note or None,
    }
