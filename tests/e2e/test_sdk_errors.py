"""The official SDKs: each kind of failure is the right exception and is retried exactly as often as it makes sense."""

from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.support.sdks import SdkRun

ONCE = ["0"]
THREE_TIMES = ["0", "1", "2"]
GATEWAY_TRIES = 2  # of the demo provider, for each attempt of the client
# Both SDKs have no exception of their own for 402.
PLAIN = {"python": "APIStatusError", "node": "APIError"}


@dataclass(frozen=True, slots=True)
class Kind:
    """What the caller of an SDK sees; `cls` None is the SDK's plain exception for a status."""

    scenario: str
    cls: str | None
    status: int
    code: str | None
    type: str
    attempts: list[str]
    param: str | None = None


INVALID = "invalid_request_error"
KINDS = (
    Kind("no_key", "AuthenticationError", 401, "api_key_required", INVALID, ONCE),
    Kind("wrong_key", "AuthenticationError", 401, "invalid_api_key", INVALID, ONCE),
    Kind("poor", None, 402, "insufficient_balance", "insufficient_quota", ONCE),
    Kind("model_not_allowed", "PermissionDeniedError", 403, "model_not_allowed", "permission_error", ONCE, "model"),
    Kind("model_not_found", "NotFoundError", 404, "model_not_found", INVALID, ONCE, "model"),
    Kind("retrieve_unknown", "NotFoundError", 404, "model_not_found", INVALID, ONCE, "model"),
    Kind("invalid", "BadRequestError", 400, None, INVALID, ONCE, "n"),
    Kind("refused_by_provider", "BadRequestError", 400, "unsupported_value", INVALID, ONCE, "temperature"),
    Kind("limited", "RateLimitError", 429, "rate_limited", "requests", ONCE),
    Kind("limited_by_provider", "RateLimitError", 429, "rate_limited", "requests", THREE_TIMES),
    Kind("provider_failed", "InternalServerError", 502, "upstream_error", "server_error", THREE_TIMES),
    Kind("provider_sent_html", "InternalServerError", 502, "upstream_error", "server_error", ONCE),
    Kind("provider_refused_us", "InternalServerError", 502, "upstream_auth_error", "server_error", ONCE),
    Kind("stream_refused", "InternalServerError", 502, "upstream_error", "server_error", ONCE),
    Kind("timed_out", "InternalServerError", 504, "upstream_timeout", "server_error", ONCE),
)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.scenario)
def test_each_failure_is_its_exception_with_code_type_param_and_number_of_attempts(sdk: SdkRun, kind: Kind) -> None:
    facts = sdk[kind.scenario]
    assert facts["class"] == (kind.cls or PLAIN["python" if sdk.is_python else "node"])
    members = (facts["status"], facts["code"], facts["type"], facts["param"])
    assert members == (kind.status, kind.code, kind.type, kind.param)
    assert facts["attempts"] == kind.attempts
    assert facts["request_id"].startswith("req_")


@pytest.mark.parametrize("scenario", [kind.scenario for kind in KINDS])
def test_every_error_body_is_one_object_with_four_members(sdk: SdkRun, scenario: str) -> None:
    details: dict[str, Any] = sdk[scenario]["details"]
    assert {"message", "type", "param", "code"} <= set(details)
    assert details["message"]


@pytest.mark.parametrize(
    ("scenario", "attempts"),
    [("refused_by_provider", 1), ("limited_by_provider", GATEWAY_TRIES), ("provider_failed", GATEWAY_TRIES)],
)
def test_each_attempt_has_a_free_usage_row_that_counts_the_gateways_own_tries(
    sdk: SdkRun, scenario: str, attempts: int
) -> None:
    row = sdk.customer.usage_row(sdk[scenario]["request_id"])
    assert (row["attempts"], row["ended"], row["cost"]) == (attempts, "upstream_error", "0.000000000")


def test_a_402_says_what_would_be_affordable(sdk: SdkRun) -> None:
    details = sdk["poor"]["details"]
    assert (details["reason"], details["available"]) == ("account_balance", "0.001000000")
    assert 64 < details["affordable_max_tokens"] < 2500


def test_a_429_says_whose_limit_it_was(sdk: SdkRun) -> None:
    assert sdk["limited_by_provider"]["details"]["reason"] == "upstream"
    assert sdk["limited"]["details"]["reason"] != "upstream"


def test_our_own_credentials_are_never_the_callers_401(sdk: SdkRun) -> None:
    assert "sk-" not in sdk["provider_refused_us"]["details"]["message"]
