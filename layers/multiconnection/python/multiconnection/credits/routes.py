"""/api/balance and /api/credits for the signed-in user; adjustments of accounts for administrators."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from multiconnection.identity.browser import LIMIT, AdminDep, CursorQuery, LimitQuery, UserDep, body_of
from multiconnection.web.context import service
from multiconnection.web.openapi import Page, refuses, takes
from multiconnection.web.validation import ReasonBody

from .models import AdjustmentStatus
from .schemas import AccountBalanceAnswer, AdjustBody, AdjustedAnswer, AdjustmentAnswer, CreditAnswer
from .service import AdminAdjustments, BalanceService

AdjustmentsDep = Annotated[AdminAdjustments, service("adjustments")]
BalancesDep = Annotated[BalanceService, service("balances")]
StatusQuery = Annotated[AdjustmentStatus, Query()]

router = APIRouter(prefix="/api", tags=["Account"])
admin_router = APIRouter(prefix="/api/admin", tags=["Admin"])


@router.get("/balance", summary="Available, in flight, credited, charged")
async def console_balance(balances: BalancesDep, user: UserDep) -> AccountBalanceAnswer:
    return AccountBalanceAnswer.of(await balances.balance(user.account_id))


@router.get("/credits", summary="List credits: grants, orders, adjustments, refunds")
async def list_credits(
    balances: BalancesDep, user: UserDep, limit: LimitQuery = LIMIT, cursor: CursorQuery = None
) -> Page[CreditAnswer]:
    """Newest first."""
    page = await balances.credits(user.account_id, cursor, limit)
    return Page(data=[CreditAnswer.of(row) for row in page.rows], next_cursor=page.after)


@admin_router.post(
    "/accounts/{account_id}/adjust",
    summary="Adjust a balance",
    responses=refuses(404, 409),
    openapi_extra=takes(AdjustBody),
)
async def adjust_account(
    account_id: str, request: Request, adjustments: AdjustmentsDep, admin: AdminDep
) -> AdjustedAnswer:
    """Give or take money, once for each client token. A large amount waits for a second administrator."""
    body = await body_of(request, AdjustBody)
    made = await adjustments.propose(admin, account_id, body.amount, body.reason, body.client_token)
    return AdjustedAnswer(adjustment=AdjustmentAnswer.of(made))


@admin_router.get("/adjustments", summary="List adjustments in one state")
async def list_adjustments(
    adjustments: AdjustmentsDep,
    admin: AdminDep,
    status: StatusQuery = AdjustmentStatus.AWAITING_SECOND,
    limit: LimitQuery = LIMIT,
    cursor: CursorQuery = None,
) -> Page[AdjustmentAnswer]:
    """Oldest first."""
    page = await adjustments.list(status, limit, cursor)
    return Page(data=[AdjustmentAnswer.of(each) for each in page.adjustments], next_cursor=page.after)


@admin_router.get("/adjustments/{adjustment_id}", summary="Retrieve an adjustment", responses=refuses(404))
async def retrieve_adjustment(adjustment_id: str, adjustments: AdjustmentsDep, admin: AdminDep) -> AdjustmentAnswer:
    return AdjustmentAnswer.of(await adjustments.get(adjustment_id))


@admin_router.post("/adjustments/{adjustment_id}/approve", summary="Approve an adjustment", responses=refuses(404, 409))
async def approve_adjustment(adjustment_id: str, adjustments: AdjustmentsDep, admin: AdminDep) -> AdjustedAnswer:
    """Refused to the administrator who proposed it."""
    return AdjustedAnswer(adjustment=AdjustmentAnswer.of(await adjustments.approve(admin, adjustment_id)))


@admin_router.post(
    "/adjustments/{adjustment_id}/reject",
    summary="Reject an adjustment",
    responses=refuses(404, 409),
    openapi_extra=takes(ReasonBody),
)
async def reject_adjustment(
    adjustment_id: str, request: Request, adjustments: AdjustmentsDep, admin: AdminDep
) -> AdjustedAnswer:
    body = await body_of(request, ReasonBody)
    return AdjustedAnswer(adjustment=AdjustmentAnswer.of(await adjustments.reject(admin, adjustment_id, body.reason)))
