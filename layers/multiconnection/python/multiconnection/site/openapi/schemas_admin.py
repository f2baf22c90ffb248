"""Bodies and answers of the operator's API."""

from collections.abc import Mapping

from .schemas_account import ACCOUNT_SCHEMAS

_ACCOUNT = {
    "id*": "str",
    "email*": "str?",
    "name*": "str",
    "status*": "active|suspended|frozen",
    "available*": "money",
    "in_flight*": "money",
    "credits_in*": "money",
    "charged*": "money",
    "created*": "time",
    "test_credit*": "awaiting_approval|network_limit|mailbox_used?",
}
_KEY_KINDS = ("id", "name", "prefix", "last4", "created", "status", "expires_at", "budget", "kind")
_TAKINGS = {
    "calls*": "int",
    "revenue*": "money",
    "upstream_cost*": "money",
    "margin*": "money",
    "unpriced_calls*": "int",
}


def _page(of: str) -> dict[str, str]:
    return {"object*": "str", "data*": f"[{of}]", "next_cursor*": "str?"}


_ORDERS: Mapping[str, Mapping[str, str]] = {
    "Approval": {"amount*": "money", "account_id*": "str", "note": "str"},
    "AdminOrder": {
        **ACCOUNT_SCHEMAS["Order"],
        "account*": "AdminOrderAccount",
        "decided_by*": "str?",
        "receipt_url*": "str?",
    },
    "AdminOrderAccount": {
        "id*": "str",
        "email*": "str",
        "balance*": "money",
        "credits_total*": "money",
        "orders_count*": "int",
        "status*": "active|suspended|frozen?",
    },
    "AdminOrderList": _page("AdminOrder"),
}
_ACCOUNTS: Mapping[str, Mapping[str, str]] = {
    "AdminAccountSummary": _ACCOUNT,
    "AdminAccountList": _page("AdminAccountSummary"),
    "AdminAccount": {
        **_ACCOUNT,
        "live_calls*": "int",
        "keys*": "[AdminKey]",
        "orders*": "[Order]",
        "credits*": "[Credit]",
    },
    "AdminKey": {f"{name}*": ACCOUNT_SCHEMAS["Key"][f"{name}*"] for name in _KEY_KINDS},
    "AdjustmentRequest": {"amount*": "str", "reason*": "str", "client_token*": "str"},
    "Adjustment": {
        "id*": "str",
        "account_id*": "str",
        "amount*": "money",
        "reason*": "str",
        "status*": "awaiting_second|approved|applied|rejected|refused",
        "created*": "time",
        "proposed_by*": "str",
        "decided_by*": "str?",
        "decided_at*": "time?",
        "note*": "str?",
    },
    "AdjustmentAnswer": {"adjustment*": "Adjustment"},
    "AdjustmentList": _page("Adjustment"),
}
_BOOKS: Mapping[str, Mapping[str, str]] = {
    "RevenueRow": {"name*": "str", **_TAKINGS},
    "RevenueTotal": _TAKINGS,
    "Revenue": {
        "group*": "day|model|account",
        "rows*": "[RevenueRow]",
        "total*": "RevenueTotal",
        "missing_days*": "[str]",
        "truncated*": "bool",
    },
    "ReconciliationRequest": {"accounts_max": "int"},
    "Reconciliation": {
        "at*": "time?",
        "accounts*": "int?",
        "drift*": "money?",
        "unverified*": "int?",
        "stale_holds*": "int?",
        "complete*": "bool?",
        "findings*": "[Finding]",
    },
    "Finding": {
        "account_id*": "str",
        "verified*": "bool",
        "charged_drift*": "money",
        "credits_drift*": "money",
        "stale_holds*": "int",
        "breaches*": "[str]",
    },
    "AuditEntry": {
        "id*": "str",
        "at*": "time",
        "actor*": "str",
        "action*": "str",
        "subject*": "str",
        "before*": "map",
        "after*": "map",
        "reason*": "str?",
        "request_id*": "str?",
    },
    "AuditList": _page("AuditEntry"),
}
ADMIN_SCHEMAS: Mapping[str, Mapping[str, str]] = {
    "Reason": {"reason*": "str"},
    "MaybeReason": {"reason": "str"},
    **_ORDERS,
    **_ACCOUNTS,
    **_BOOKS,
}
