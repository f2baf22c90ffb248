"""The error codes that the docs page explains; a test compares them with the error tree."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ErrorRow:
    code: str
    status: int
    meaning: str


ERROR_ROWS = (
    ErrorRow("api_key_required", 401, "Missing user API key."),
    ErrorRow("invalid_api_key", 401, "The API key is invalid, deleted, disabled or expired."),
    ErrorRow(
        "insufficient_balance",
        402,
        "The account balance, or the key's budget, is too low. Recharge or ask for test credit; "
        "`affordable_max_tokens` says what still fits.",
    ),
    ErrorRow("admin_forbidden", 403, "Admin permission is required."),
    ErrorRow("model_not_allowed", 403, "This key is limited to other models."),
    ErrorRow("ip_not_authorized", 403, "This key is limited to other addresses."),
    ErrorRow("account_suspended", 403, "The account is suspended. Contact support."),
    ErrorRow("model_not_found", 404, "The model does not exist or is not enabled."),
    ErrorRow("request_too_large", 413, "The body is larger than 6 MB. Send large files to POST /v1/uploads."),
    ErrorRow(
        "rate_limited",
        429,
        "The API key, account or IP rate limit was exceeded. Wait for `Retry-After` seconds, then retry.",
    ),
    ErrorRow("upstream_error", 502, "An upstream provider returned an error. Nothing was charged."),
    ErrorRow("upstream_timeout", 504, "An upstream provider did not answer in time."),
    ErrorRow("no_available_upstream", 503, "No provider of this model is configured."),
    ErrorRow("ledger_unavailable", 503, "Money could not be reserved safely. Nothing was forwarded; retry."),
    ErrorRow("internal_error", 500, "A fault of ours. Report the `x-request-id`."),
)
