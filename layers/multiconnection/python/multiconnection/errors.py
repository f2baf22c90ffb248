"""Every error that a caller can see, as one tree; each class is a row of the error table.

Other errors are not for callers: each is defined beside what raises it (a store's in `retry.py`, the ledger's in
`ledger/store.py`, a provider's in `providers/errors.py`) and is translated to one of these where it leaves its room.

GatewayError
├── RequestInvalid            400  invalid_request_error
│   ├── ParameterMissing      400  missing_required_parameter
│   ├── ParameterUnsupported  400  unsupported_parameter
│   ├── ContextTooLong        400  context_length_exceeded
│   ├── CodeInvalid           400  code_invalid
│   └── PasswordTooWeak       400  password_too_weak
├── Unauthenticated           401
│   ├── KeyRefused
│   │   ├── ApiKeyRequired    401  api_key_required
│   │   └── ApiKeyInvalid     401  invalid_api_key
│   ├── SessionRequired       401  session_required
│   ├── SessionExpired        401  session_expired
│   └── SignInFailed          401  sign_in_failed
├── InsufficientBalance       402  insufficient_balance
├── AccessDenied              403  access_denied
│   ├── AdminForbidden        403  admin_forbidden
│   ├── CsrfFailed            403  csrf_failed
│   ├── SelfApprovalForbidden 403  self_approval_forbidden
│   ├── ModelNotAllowed       403  model_not_allowed
│   ├── IpNotAuthorized       403  ip_not_authorized
│   └── AccountSuspended      403  account_suspended
├── NotFound                  404
│   ├── ModelNotFound         404  model_not_found
│   ├── UrlUnknown            404  unknown_url
│   ├── UsageNotFound         404  usage_not_found
│   ├── ApiKeyNotFound        404  key_not_found
│   ├── OrderNotFound         404  order_not_found
│   ├── UploadNotFound        404  upload_not_found
│   ├── AccountNotFound       404  account_not_found
│   ├── AdjustmentNotFound    404  adjustment_not_found
│   └── ProviderNotFound      404  provider_not_found
├── MethodNotAllowed          405  method_not_allowed
├── Conflict                  409
│   ├── OrderConflict         409  order_conflict
│   │   ├── OrderNotPending       409  order_not_pending
│   │   ├── OrderAmountMismatch   409  order_amount_mismatch
│   │   └── TooManyOrders         409  too_many_orders
│   └── AdminConflict         409  admin_conflict
│       ├── AccountStatusConflict 409  account_status_conflict
│       ├── TestCreditNotAwaited  409  test_credit_not_awaited
│       ├── AdjustmentConflict    409  adjustment_conflict
│       ├── AdjustmentNotPending  409  adjustment_not_pending
│       ├── AdjustmentRefused     409  adjustment_refused
│       ├── PriceVersionConflict  409  price_version_conflict
│       └── ConfirmationRequired  409  confirmation_required
├── RequestTooLarge           413  request_too_large
├── MediaTypeUnsupported      415  unsupported_media_type
├── RateLimited               429  rate_limited
├── InternalError             500  internal_error
├── UpstreamFailed            502  upstream_error
│   ├── UpstreamAuthFailed    502  upstream_auth_error
│   ├── UpstreamRejected      4xx  upstream's own code (the request was at fault)
│   └── UpstreamTimeout       504  upstream_timeout
└── Unavailable               503
    ├── NoAvailableUpstream   503  no_available_upstream
    ├── LedgerUnavailable     503  ledger_unavailable
    ├── IdentityUnavailable   503  identity_unavailable
    └── StorageUnavailable    503  storage_unavailable
"""

from collections.abc import Mapping
from math import ceil
from typing import ClassVar

INVALID_REQUEST = "invalid_request_error"
PERMISSION = "permission_error"
SERVER = "server_error"


class GatewayError(Exception):
    """An error response: HTTP status, OpenAI error type and a documented code.

    `details` are extra members of the error object, such as `reason` or `affordable_max_tokens`.
    `retry_after_s` becomes `Retry-After` (whole seconds, rounded up). `retryable` becomes
    `x-should-retry`, which both OpenAI SDKs obey before they look at the status.
    """

    status: ClassVar[int] = 500
    type: str = SERVER
    code: str | None = "internal_error"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        details: Mapping[str, object] | None = None,
        retry_after_s: float | None = None,
        retryable: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.details = dict(details or {})
        self.retry_after_s = retry_after_s
        self.retryable = retryable

    @property
    def http_status(self) -> int:
        """The status of this response; only that of `UpstreamRejected` differs from its class."""
        return self.status

    @property
    def metric_code(self) -> str:
        """The code for metrics: one of a fixed set, because CloudWatch bills every value of a dimension."""
        return self.code or "invalid_request"

    def body(self) -> dict[str, object]:
        """The one error shape: {"error": {"message", "type", "param", "code", …}}."""
        core: dict[str, object] = {
            "message": self.message,
            "type": self.type,
            "param": self.param,
            "code": self.code,
        }
        return {"error": core | self.details}

    def headers(self) -> dict[str, str]:
        """`Retry-After` and `x-should-retry`, which SDKs obey."""
        headers: dict[str, str] = {}
        if self.retry_after_s is not None:
            headers["retry-after"] = str(max(1, ceil(self.retry_after_s)))
        if self.retryable is not None:
            headers["x-should-retry"] = "true" if self.retryable else "false"
        return headers


class RequestInvalid(GatewayError):
    status = 400
    type = INVALID_REQUEST
    code: str | None = None


class ParameterMissing(RequestInvalid):
    code = "missing_required_parameter"


class ParameterUnsupported(RequestInvalid):
    code = "unsupported_parameter"


class ContextTooLong(RequestInvalid):
    code = "context_length_exceeded"


class CodeInvalid(RequestInvalid):
    """A code from an e-mail or an authenticator app is wrong, used or expired; the caller does not learn which."""

    code = "code_invalid"


class PasswordTooWeak(RequestInvalid):
    code = "password_too_weak"


class Unauthenticated(GatewayError):
    """Base class, never raised."""

    status = 401
    type = INVALID_REQUEST


class KeyRefused(Unauthenticated):
    """Base class, never raised."""

    def headers(self) -> dict[str, str]:
        return super().headers() | {"www-authenticate": "Bearer"}


class ApiKeyRequired(KeyRefused):
    code = "api_key_required"


class ApiKeyInvalid(KeyRefused):
    code = "invalid_api_key"


class SessionRequired(Unauthenticated):
    code = "session_required"


class SessionExpired(Unauthenticated):
    """The session has ended and cannot be renewed."""

    code = "session_expired"


class SignInFailed(Unauthenticated):
    """The password is wrong, or the address unknown or unconfirmed: one identical response."""

    code = "sign_in_failed"


class InsufficientBalance(GatewayError):
    status = 402
    type = "insufficient_quota"
    code = "insufficient_balance"


class AccessDenied(GatewayError):
    status = 403
    type = PERMISSION
    code = "access_denied"


class AdminForbidden(AccessDenied):
    code = "admin_forbidden"


class CsrfFailed(AccessDenied):
    """An unsafe request from a browser lacks the proof that it comes from our own pages."""

    code = "csrf_failed"


class SelfApprovalForbidden(AccessDenied):
    code = "self_approval_forbidden"


class ModelNotAllowed(AccessDenied):
    code = "model_not_allowed"


class IpNotAuthorized(AccessDenied):
    code = "ip_not_authorized"


class AccountSuspended(AccessDenied):
    code = "account_suspended"


class NotFound(GatewayError):
    """Base class, never raised. An object of another account gets the same response as one that does not exist."""

    status = 404
    type = INVALID_REQUEST


class ModelNotFound(NotFound):
    code = "model_not_found"


class UrlUnknown(NotFound):
    code = "unknown_url"


class UsageNotFound(NotFound):
    code = "usage_not_found"


class ApiKeyNotFound(NotFound):
    code = "key_not_found"


class OrderNotFound(NotFound):
    code = "order_not_found"


class UploadNotFound(NotFound):
    code = "upload_not_found"


class AccountNotFound(NotFound):
    code = "account_not_found"


class AdjustmentNotFound(NotFound):
    code = "adjustment_not_found"


class ProviderNotFound(NotFound):
    code = "provider_not_found"


class MethodNotAllowed(GatewayError):
    status = 405
    type = INVALID_REQUEST
    code = "method_not_allowed"


class Conflict(GatewayError):
    """Base class, never raised. Both SDKs repeat a 409 unless a header tells them not to."""

    status = 409
    type = INVALID_REQUEST

    def headers(self) -> dict[str, str]:
        return {"x-should-retry": "false"} | super().headers()


class OrderConflict(Conflict):
    """The order is not in the state that the request assumes."""

    code = "order_conflict"


class OrderNotPending(OrderConflict):
    """The order has been decided or has expired; `details` has its state, and who decided when."""

    code = "order_not_pending"


class OrderAmountMismatch(OrderConflict):
    """The amount or account that the administrator repeats is not the order's."""

    code = "order_amount_mismatch"


class TooManyOrders(OrderConflict):
    code = "too_many_orders"


class AdminConflict(Conflict):
    """The object has changed since the administrator read it."""

    code = "admin_conflict"


class AccountStatusConflict(AdminConflict):
    """The account does not have the status that the change starts from; `details` has the current one."""

    code = "account_status_conflict"


class TestCreditNotAwaited(AdminConflict):
    """The account is not waiting for a test credit."""

    code = "test_credit_not_awaited"


class AdjustmentConflict(AdminConflict):
    """The client token was used for another adjustment."""

    code = "adjustment_conflict"


class AdjustmentNotPending(AdminConflict):
    """The adjustment has been decided; `details` has its state, and who decided when."""

    code = "adjustment_not_pending"


class AdjustmentRefused(AdminConflict):
    """The adjustment would take more than is available; `details` has the available amount."""

    code = "adjustment_refused"


class PriceVersionConflict(AdminConflict):
    """`base_version` is not the current version, which `details` has."""

    code = "price_version_conflict"


class ConfirmationRequired(AdminConflict):
    """A price changes more than tenfold; `details` has the diff. Send `"confirm": true` if it is intended."""

    code = "confirmation_required"


class RequestTooLarge(GatewayError):
    status = 413
    type = INVALID_REQUEST
    code = "request_too_large"


class MediaTypeUnsupported(GatewayError):
    status = 415
    type = INVALID_REQUEST
    code = "unsupported_media_type"


class RateLimited(GatewayError):
    """A rate limit is used up; `type` says which kind, "requests" or "tokens"."""

    status = 429
    type = "requests"
    code = "rate_limited"

    def __init__(self, message: str, *, reason: str, retry_after_s: float, limit_type: str = "requests") -> None:
        super().__init__(message, details={"reason": reason}, retry_after_s=retry_after_s)
        self.type = limit_type


class InternalError(GatewayError):
    pass


class UpstreamFailed(GatewayError):
    status = 502
    code: str | None = "upstream_error"


class UpstreamAuthFailed(UpstreamFailed):
    """The provider refused our own credentials; never answered with a 401, which would be about the caller's."""

    code = "upstream_auth_error"


class UpstreamRejected(UpstreamFailed):
    """The provider refused the request itself; the code is the provider's, the status 400 or 413."""

    status = 400
    type = INVALID_REQUEST

    def __init__(self, message: str, *, status: int, code: str | None, param: str | None = None) -> None:
        super().__init__(message, param=param)
        self.code = code
        self._status = status

    @property
    def metric_code(self) -> str:
        """One code for all, because providers invent their own."""
        return "upstream_rejected"

    @property
    def http_status(self) -> int:
        return self._status


class UpstreamTimeout(UpstreamFailed):
    status = 504
    code = "upstream_timeout"


class Unavailable(GatewayError):
    """Base class, never raised."""

    status = 503


class NoAvailableUpstream(Unavailable):
    code = "no_available_upstream"


class LedgerUnavailable(Unavailable):
    """The tables could not be read or written safely; a call was not forwarded and is not charged."""

    code = "ledger_unavailable"


class IdentityUnavailable(Unavailable):
    """The identity provider, or the count of attempts, could not be reached."""

    code = "identity_unavailable"


class StorageUnavailable(Unavailable):
    """The payload bucket could not be written or read; results that were not delivered are not charged."""

    code = "storage_unavailable"
