"""/api/admin: what an operator can call. Every unsafe call is written to the audit log."""

from .operation import Operation

# Bodies of which every member may be left out: these routes take none at all as well.
OPTIONAL = ("MaybeReason",)


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
    _get("models", "All models with their price versions", "AdminModelList"),
    _get("models/{id}", "One model with all price versions", "AdminModel"),
    _do(
        "models/{id}/prices",
        "Publish a new price version",
        "PriceChange",
        "PriceChangeRequest",
        {"dry_run": "true only computes the difference"},
    ),
    _do("models/{id}/enable", "Offer a model", "AdminModel", "MaybeReason"),
    _do("models/{id}/disable", "Stop offering a model", "AdminModel", "MaybeReason"),
    _get("providers", "Providers and their health", "AdminProviderList"),
    _do("providers/{name}/enable", "Use a provider", "AdminProvider", "MaybeReason"),
    _do("providers/{name}/disable", "Stop using a provider", "AdminProvider", "MaybeReason"),
)
