"""/api/admin/revenue and /api/admin/reconciliation: what came in, what it cost, and whether the books are right."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from multiconnection.identity.browser import AdminDep, body_of
from multiconnection.ids import TIME_MAX
from multiconnection.ledger.reconcile import Report
from multiconnection.money import nano_to_usd
from multiconnection.web.context import service

from .reconciliation import AdminReconciliation, Reconciliation
from .revenue import AdminRevenue, Group, Revenue, Takings
from .schemas import ReconciliationBody

ReconciliationDep = Annotated[AdminReconciliation, service("reconciliation")]
RevenueDep = Annotated[AdminRevenue, service("revenue")]

router = APIRouter()
SinceQuery = Annotated[int | None, Query(alias="from", ge=0, le=TIME_MAX)]
UntilQuery = Annotated[int | None, Query(alias="to", ge=1, le=TIME_MAX)]


@router.get("/api/admin/revenue")
async def revenue(
    revenue: RevenueDep,
    admin: AdminDep,
    since_s: SinceQuery = None,
    until_s: UntilQuery = None,
    group: Group = "day",
) -> dict[str, Any]:
    """Whole days in UTC, the last thirty unless told otherwise; `to` is exclusive. By day oldest first, else by
    revenue."""
    return revenue_object(await revenue.revenue(since_s, until_s, group), group)


@router.get("/api/admin/reconciliation")
async def latest_reconciliation(reconciliation: ReconciliationDep, admin: AdminDep) -> dict[str, Any]:
    """`at` is null before the first one."""
    return reconciliation_object(await reconciliation.latest())


@router.post("/api/admin/reconciliation")
async def reconcile(request: Request, reconciliation: ReconciliationDep, admin: AdminDep) -> dict[str, Any]:
    """As many accounts as a request has time for; kept as the latest one only where these are all."""
    body = await body_of(request, ReconciliationBody) if await request.body() else ReconciliationBody()
    return reconciliation_object(await reconciliation.run(admin, body.accounts_max))


def revenue_object(found: Revenue, group: Group) -> dict[str, Any]:
    rows = list(found.rows.items())
    rows.sort(key=(lambda row: row[0]) if group == "day" else lambda row: (-row[1].revenue, -row[1].calls, row[0]))
    return {
        "object": "revenue",
        "group": group,
        "rows": [{"name": name, **takings_object(takings)} for name, takings in rows],
        "total": takings_object(found.total),
        "missing_days": list(found.missing),
        "truncated": found.truncated,
    }


def takings_object(takings: Takings) -> dict[str, Any]:
    return {
        "calls": takings.calls,
        "revenue": nano_to_usd(takings.revenue),
        "upstream_cost": nano_to_usd(takings.upstream_cost),
        "margin": nano_to_usd(takings.margin),
        "unpriced_calls": takings.unpriced,
    }


def reconciliation_object(found: Reconciliation | None) -> dict[str, Any]:
    if found is None:
        figures: dict[str, Any] = dict.fromkeys(("at", "accounts", "drift", "unverified", "stale_holds", "complete"))
        return {"object": "reconciliation", **figures, "findings": []}
    return {
        "object": "reconciliation",
        "at": found.at_s,
        "accounts": found.accounts,
        "drift": nano_to_usd(found.drift),
        "unverified": found.unverified,
        "stale_holds": found.stale_holds,
        "complete": found.complete,
        "findings": [finding_object(report) for report in found.findings],
    }


def finding_object(report: Report) -> dict[str, Any]:
    return {
        "account_id": report.account_id,
        "verified": report.verified,
        "charged_drift": nano_to_usd(report.charged_drift),
        "credits_drift": nano_to_usd(report.credits_drift),
        "stale_holds": report.stale_holds,
        "breaches": list(report.breaches),
    }
