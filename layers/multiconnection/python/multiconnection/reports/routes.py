"""/api/admin/revenue and /api/admin/reconciliation."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from multiconnection.identity.browser import AdminDep, optional_body_of
from multiconnection.ids import TIME_MAX
from multiconnection.ledger.reconcile import ReconcileReport
from multiconnection.money import nano_to_usd
from multiconnection.web.context import service

from .models import Grouping, Reconciliation, Revenue, RevenueFigures
from .schemas import ReconciliationBody
from .service import AdminReconciliation, AdminRevenue

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
    group: Grouping = "day",
) -> dict[str, Any]:
    """Whole days in UTC, by default the last thirty; `to` is exclusive. Days are oldest first, others by revenue."""
    return revenue_object(await revenue.revenue(since_s, until_s, group), group)


@router.get("/api/admin/reconciliation")
async def latest_reconciliation(reconciliation: ReconciliationDep, admin: AdminDep) -> dict[str, Any]:
    """The latest reconciliation; `at` is null before the first one."""
    return reconciliation_object(await reconciliation.latest())


@router.post("/api/admin/reconciliation")
async def reconcile(request: Request, reconciliation: ReconciliationDep, admin: AdminDep) -> dict[str, Any]:
    """Reconcile as many accounts as a request has time for; kept as the latest only if these are all accounts."""
    body = await optional_body_of(request, ReconciliationBody)
    return reconciliation_object(await reconciliation.run(admin, body.accounts_max))


def revenue_object(found: Revenue, group: Grouping) -> dict[str, Any]:
    rows = list(found.rows.items())
    rows.sort(key=(lambda row: row[0]) if group == "day" else lambda row: (-row[1].revenue, -row[1].calls, row[0]))
    return {
        "object": "revenue",
        "group": group,
        "rows": [{"name": name, **figures_object(figures)} for name, figures in rows],
        "total": figures_object(found.total),
        "missing_days": list(found.missing),
        "truncated": found.truncated,
    }


def figures_object(figures: RevenueFigures) -> dict[str, Any]:
    return {
        "calls": figures.calls,
        "revenue": nano_to_usd(figures.revenue),
        "upstream_cost": nano_to_usd(figures.upstream_cost),
        "margin": nano_to_usd(figures.margin),
        "unpriced_calls": figures.unpriced,
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


def finding_object(report: ReconcileReport) -> dict[str, Any]:
    return {
        "account_id": report.account_id,
        "verified": report.verified,
        "charged_drift": nano_to_usd(report.charged_drift),
        "credits_drift": nano_to_usd(report.credits_drift),
        "stale_holds": report.stale_holds,
        "breaches": list(report.breaches),
    }
