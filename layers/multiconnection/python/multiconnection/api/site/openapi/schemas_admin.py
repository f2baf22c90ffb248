"""Bodies and answers of the operator's API."""

from collections.abc import Mapping

_ACCOUNT = {
    "id*": "str",
    "email*": "str",
    "name*": "str",
    "status*": "active|suspended",
    "available*": "money",
    "in_flight*": "money",
    "created*": "time",
}


def _page(of: str) -> dict[str, str]:
    return {"object*": "str", "data*": f"[{of}]", "next_cursor*": "str?"}


ADMIN_SCHEMAS: Mapping[str, Mapping[str, str]] = {
    "Reason": {"reason*": "str"},
    "Approval": {"amount*": "money", "account_id*": "str", "note": "str"},
    "AdminOrder": {"id*": "str", "reference*": "str", "status*": "str", "account": "map", "receipt_url": "str"},
    "AdminOrderList": _page("AdminOrder"),
    "AdminAccount": {**_ACCOUNT, "keys": "[Key]", "orders": "[Order]", "credits": "[Credit]"},
    "AdminAccountList": _page("AdminAccount"),
    "AdjustmentRequest": {"amount*": "money", "reason*": "str", "client_token*": "str"},
    "Adjustment": {"id*": "str", "status*": "applied|awaiting_second|rejected"},
    "AdjustmentAnswer": {"adjustment*": "Adjustment"},
    "AdjustmentList": _page("Adjustment"),
    "AdminModel": {"id*": "str", "enabled": "bool", "versions": "[map]"},
    "AdminModelList": _page("AdminModel"),
    "PriceChangeRequest": {"prices*": "map", "base_version*": "int"},
    "PriceDifference": {"kind*": "str", "old*": "str?", "new*": "str?", "percent*": "str?"},
    "PriceChange": {"version": "int", "diff*": "[PriceDifference]"},
    "AdminProvider": {"name*": "str", "configured*": "bool", "enabled*": "bool", "health": "map", "models": "int"},
    "AdminProviderList": _page("AdminProvider"),
    "RevenueRow": {"name*": "str", "calls*": "int", "revenue*": "money", "upstream_cost*": "money", "margin*": "str"},
    "Revenue": {"rows*": "[RevenueRow]", "total*": "map"},
    "Reconciliation": {
        "at*": "time",
        "accounts*": "int",
        "drift*": "money",
        "unverified*": "int",
        "stale_holds*": "int",
        "findings*": "[map]",
    },
    "AuditEntry": {
        "id*": "str",
        "at*": "time",
        "actor*": "str",
        "action*": "str",
        "subject*": "str",
        "before": "any",
        "after": "any",
        "reason": "str?",
        "request_id": "str?",
    },
    "AuditList": _page("AuditEntry"),
}
