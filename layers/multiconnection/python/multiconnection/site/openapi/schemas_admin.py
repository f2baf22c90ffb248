"""Bodies and answers of the operator's API."""

from collections.abc import Mapping


def _page(of: str) -> dict[str, str]:
    return {"object*": "str", "data*": f"[{of}]", "next_cursor*": "str?"}


_CATALOG: Mapping[str, Mapping[str, str]] = {
    "AdminModel": {
        "id*": "str",
        "name*": "str",
        "kind*": "str",
        "owned_by*": "str",
        "aliases*": "[str]",
        "enabled*": "bool",
        "price_version*": "int",
        "prices*": "map",
        "cost_prices*": "map?",
        "upstreams*": "[map]",
        "versions*": "[PriceVersion]",
    },
    "AdminModelList": _page("AdminModel"),
    "PriceVersion": {
        "version*": "int",
        "prices*": "map",
        "cost_prices*": "map?",
        "created*": "time?",
        "created_by*": "str?",
    },
    "PriceChangeRequest": {
        "prices*": "map",
        "base_version*": "int",
        "cost_prices": "map?",
        "confirm": "bool",
        "reason": "str",
    },
    "PriceDifference": {"kind*": "str", "old*": "str?", "new*": "str", "percent*": "num?"},
    "PriceChange": {
        "dry_run*": "bool",
        "model*": "str",
        "version*": "int",
        "prices*": "map",
        "diff*": "[PriceDifference]",
        "cost_diff*": "[PriceDifference]",
        "needs_confirmation*": "bool",
    },
    "AdminProvider": {
        "name*": "str",
        "configured*": "bool",
        "enabled*": "bool",
        "health*": "ProviderHealth",
        "models*": "int",
    },
    "AdminProviderList": _page("AdminProvider"),
    "ProviderHealth": {
        "state*": "ok|degraded|down|unknown",
        "answers*": "int",
        "errors*": "int",
        "p90_ms*": "int?",
    },
}
ADMIN_SCHEMAS: Mapping[str, Mapping[str, str]] = {
    "MaybeReason": {"reason": "str"},
    **_CATALOG,
}
