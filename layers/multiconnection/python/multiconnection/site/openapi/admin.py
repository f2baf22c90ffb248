"""/api/admin: what an operator can call. Every unsafe call is written to the audit log."""

from .account import PAGE, SPAN
from .operation import Operation

# Bodies of which every member may be left out: these routes take none at all as well.
OPTIONAL = ("MaybeReason", "ReconciliationRequest")


def _get(path: str, summary: str, answer: str, query: dict[str, str] | None = None) -> Operation:
    errors = (404,) if "{" in path else ()
    return Operation(
        "GET", f"/api/admin/{path}", "Admin", summary, "admin", None, answer, query=query or {}, errors=errors
    )


def _do(
    path: str, summary: str, answer: str, body: str | None = None, query: dict[str, str] | None = None
) -> Operation:
    return Operation(
        "POST",
        f"/api/admin/{path}",
        "Admin",
        summary,
        "admin",
        body,
        answer,
        query=query or {},
        body_required=body not in OPTIONAL,
        errors=(400, 404, 409),
    )


ADMIN = (
    _get("orders", "Orders queue, oldest first", "AdminOrderList", {"status": "state, default in_review", **PAGE}),
    _get("orders/{id}", "One order with its account and receipt", "AdminOrder"),
    _do("orders/{id}/approve", "Approve an order; amount and account are repeated", "AdminOrder", "Approval"),
    _do("orders/{id}/reject", "Reject an order", "AdminOrder", "Reason"),
    _get(
        "accounts",
        "Search accounts",
        "AdminAccountList",
        {
            "query": "account id, or the beginning of an e-mail",
            "awaiting": "true: those that wait for a test credit",
            **PAGE,
        },
    ),
    _get("accounts/{id}", "One account with keys, orders and credits", "AdminAccount"),
    _do("accounts/{id}/suspend", "Suspend an account", "AdminAccountSummary", "Reason"),
    _do("accounts/{id}/resume", "Resume an account", "AdminAccountSummary", "Reason"),
    _do("accounts/{id}/test-credit", "Grant an awaited test credit, once", "AdminAccountSummary", "MaybeReason"),
    _do("accounts/{id}/adjust", "Adjust a balance", "AdjustmentAnswer", "AdjustmentRequest"),
    _get(
        "adjustments",
        "Adjustments in one state, oldest first",
        "AdjustmentList",
        {"status": "state, default awaiting_second", **PAGE},
    ),
    _get("adjustments/{id}", "One adjustment", "Adjustment"),
    _do("adjustments/{id}/approve", "Approve somebody else's adjustment", "AdjustmentAnswer"),
    _do("adjustments/{id}/reject", "Reject an adjustment", "AdjustmentAnswer", "Reason"),
    _get("revenue", "Revenue against upstream cost", "Revenue", {**SPAN, "group": "day, model or account"}),
    _get("reconciliation", "The latest reconciliation report", "Reconciliation"),
    _do("reconciliation", "Reconcile now", "Reconciliation", "ReconciliationRequest"),
    _get("audit", "What admins did", "AuditList", {"actor": "e-mail", "action": "action or its beginning", **PAGE}),
)
