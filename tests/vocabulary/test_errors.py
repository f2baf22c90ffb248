"""The error tree: every class has a status, a type and a code, one shape, and headers a program can act on."""

import pytest

from multiconnection import errors
from multiconnection.errors import (
    ApiKeyInvalid,
    ApiKeyRequired,
    GatewayError,
    InsufficientBalance,
    RateLimited,
    RequestInvalid,
    UpstreamFailed,
    UpstreamRejected,
)
from tests.support.errors import ALL, SAMPLES

TYPES = {
    "invalid_request_error",
    "permission_error",
    "insufficient_quota",
    "requests",
    "tokens",
    "server_error",
}


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: str(kind.__name__))
def test_every_class_is_a_row_of_the_table(kind: type[GatewayError]) -> None:
    error = SAMPLES[kind]
    assert 400 <= error.http_status <= 599
    assert error.type in TYPES
    assert error.code is not None or isinstance(error, RequestInvalid)
    core = {"message": error.message, "type": error.type, "param": error.param, "code": error.code}
    assert error.body() == {"error": core | error.details}
    assert str(error) == error.message


def test_the_docstring_shows_every_class_with_its_status() -> None:
    tree = errors.__doc__ or ""
    for kind in ALL:
        (line,) = (line for line in tree.splitlines() if kind.__name__ in line.split())
        if kind is not UpstreamRejected:
            assert str(SAMPLES[kind].http_status) in line.split()


def test_the_codes_of_the_reference_text() -> None:
    found = {(error.code, error.http_status) for error in SAMPLES.values()}
    assert found >= {
        ("api_key_required", 401),
        ("invalid_api_key", 401),
        ("insufficient_balance", 402),
        ("model_not_found", 404),
        ("rate_limited", 429),
        ("upstream_error", 502),
        ("admin_forbidden", 403),
    }


def test_a_wrong_key_is_told_how_to_authenticate() -> None:
    for kind in (ApiKeyRequired, ApiKeyInvalid):
        assert kind("no").headers() == {"www-authenticate": "Bearer"}


@pytest.mark.parametrize(("seconds", "header"), [(0.0, "1"), (0.2, "1"), (1.0, "1"), (1.01, "2"), (59.5, "60")])
def test_retry_after_is_whole_seconds_and_never_early(seconds: float, header: str) -> None:
    error = RateLimited("slow down", reason="in_flight", retry_after_s=seconds)
    assert error.headers() == {"retry-after": header}


def test_a_program_is_told_whether_to_retry_only_where_the_status_misleads_it() -> None:
    assert UpstreamFailed("no").headers() == {}
    assert UpstreamFailed("no", retryable=False).headers() == {"x-should-retry": "false"}
    assert UpstreamFailed("no", retryable=True, retry_after_s=3).headers() == {
        "retry-after": "3",
        "x-should-retry": "true",
    }


def test_a_limit_says_what_ran_out() -> None:
    error = RateLimited("slow down", reason="key_tokens", retry_after_s=1, limit_type="tokens")
    assert error.body()["error"] == {
        "message": "slow down",
        "type": "tokens",
        "param": None,
        "code": "rate_limited",
        "reason": "key_tokens",
    }
    assert RateLimited.type == "requests"


def test_a_providers_refusal_keeps_its_own_status_and_code() -> None:
    error = UpstreamRejected("too long", status=413, code="string_too_long", param="messages")
    assert (error.http_status, error.status) == (413, 400)
    assert error.body() == {
        "error": {
            "message": "too long",
            "type": "invalid_request_error",
            "param": "messages",
            "code": "string_too_long",
        }
    }


def test_details_are_members_of_the_error_object() -> None:
    error = InsufficientBalance("no", details={"reason": "account_balance", "affordable_max_tokens": 7})
    assert error.body() == {
        "error": {
            "message": "no",
            "type": "insufficient_quota",
            "param": None,
            "code": "insufficient_balance",
            "reason": "account_balance",
            "affordable_max_tokens": 7,
        }
    }
