"""/api/admin/accounts/{id}/adjust and /api/admin/adjustments: money moved by hand, large amounts by two people."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from multiconnection.api.admin_services import AdminServicesDep
from multiconnection.api.console import LIMIT, CursorQuery, LimitQuery, body_of, list_object
from multiconnection.api.session import AdminDep
from multiconnection.domain.money import nano_to_usd
from multiconnection.schemas.admin import AdjustBody, ReasonBody
from multiconnection.services.adjustment_types import Adjustment, AdjustmentStatus

router = APIRouter()
StatusQuery = Annotated[AdjustmentStatus, Query()]


@router.post("/api/admin/accounts/{account_id}/adjust")
async def adjust_account(
    account_id: str, request: Request, services: AdminServicesDep, admin: AdminDep
) -> dict[str, Any]:
    """The same client token again is the same adjustment. A large one waits for a second administrator."""
    body = await body_of(request, AdjustBody)
    adjustments = services.admin.adjustments
    made = await adjustments.propose(admin, account_id, body.amount, body.reason, body.client_token)
    return {"adjustment": adjustment_object(made)}


@router.get("/api/admin/adjustments")
async def list_adjustments(
    services: AdminServicesDep,
    admin: AdminDep,
    status: StatusQuery = AdjustmentStatus.AWAITING_SECOND,
    limit: LimitQuery = LIMIT,
    cursor: CursorQuery = None,
) -> dict[str, Any]:
    """Oldest first."""
    page = await services.admin.adjustments.list(status, limit, cursor)
    return list_object([adjustment_object(each) for each in page.adjustments], page.after)


@router.get("/api/admin/adjustments/{adjustment_id}")
async def retrieve_adjustment(adjustment_id: str, services: AdminServicesDep, admin: AdminDep) -> dict[str, Any]:
    return adjustment_object(await services.admin.adjustments.get(adjustment_id))


@router.post("/api/admin/adjustments/{adjustment_id}/approve")
async def approve_adjustment(adjustment_id: str, services: AdminServicesDep, admin: AdminDep) -> dict[str, Any]:
    """By another administrator than who proposed it."""
    return {"adjustment": adjustment_object(await services.admin.adjustments.approve(admin, adjustment_id))}


@router.post("/api/admin/adjustments/{adjustment_id}/reject")
async def reject_adjustment(
    adjustment_id: str, request: Request, services: AdminServicesDep, admin: AdminDep
) -> dict[str, Any]:
    body = await body_of(request, ReasonBody)
    return {"adjustment": adjustment_object(await services.admin.adjustments.reject(admin, adjustment_id, body.reason))}


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
