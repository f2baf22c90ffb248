"""/api/admin/revenue and /api/admin/reconciliation."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from multiconnection.identity.browser import AdminDep, optional_body_of
from multiconnection.ids import TIME_MAX
from multiconnection.web.context import service
from multiconnection.web.openapi import takes

from .models import Grouping
from .schemas import ReconciliationAnswer, ReconciliationBody, RevenueAnswer
from .service import AdminReconciliation, AdminRevenue

ReconciliationDep = Annotated[AdminReconciliation, service("reconciliation")]
RevenueDep = Annotated[AdminRevenue, service("revenue")]
SinceQuery = Annotated[int | None, Query(alias="from", ge=0, le=TIME_MAX, description="Epoch seconds")]
UntilQuery = Annotated[int | None, Query(alias="to", ge=1, le=TIME_MAX, description="Epoch seconds, exclusive")]

router = APIRouter(prefix="/api/admin", tags=["Admin"])


@router.get("/revenue", summary="Revenue against upstream cost")
async def revenue(
    revenue: RevenueDep,
    admin: AdminDep,
    since_s: SinceQuery = None,
    until_s: UntilQuery = None,
    group: Grouping = "day",
) -> RevenueAnswer:
    """Whole days in UTC, by default the last thirty. Days are oldest first, models and accounts by revenue."""
    return RevenueAnswer.of(await revenue.revenue(since_s, until_s, group), group)


@router.get("/reconciliation", summary="Retrieve the latest reconciliation")
async def latest_reconciliation(reconciliation: ReconciliationDep, admin: AdminDep) -> ReconciliationAnswer:
    """`at` is null before the first one."""
    return ReconciliationAnswer.of(await reconciliation.latest())


@router.post("/reconciliation", summary="Reconcile now", openapi_extra=takes(ReconciliationBody, required=False))
async def reconcile(request: Request, reconciliation: ReconciliationDep, admin: AdminDep) -> ReconciliationAnswer:
    """Checks as many accounts as a request has time for; kept as the latest only if these are all accounts."""
    body = await optional_body_of(request, ReconciliationBody)
    return ReconciliationAnswer.of(await reconciliation.run(admin, body.accounts_max))
