"""Every error a caller can see, as one tree; the class is the row of the error table.

Those of people, orders and administrators are in people_errors.py, order_errors.py and admin_errors.py.

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

from .gateway_error import INVALID_REQUEST, PERMISSION, GatewayError


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


class Unauthenticated(GatewayError):
    """Never raised itself."""

    status = 401
    type = INVALID_REQUEST


class KeyRefused(Unauthenticated):
    """Never raised itself."""

    def headers(self) -> dict[str, str]:
        return super().headers() | {"www-authenticate": "Bearer"}


class ApiKeyRequired(KeyRefused):
    code = "api_key_required"


class ApiKeyInvalid(KeyRefused):
    code = "invalid_api_key"


class InsufficientBalance(GatewayError):
    status = 402
    type = "insufficient_quota"
    code = "insufficient_balance"


class AccessDenied(GatewayError):
    status = 403
    type = PERMISSION
    code = "access_denied"


class ModelNotAllowed(AccessDenied):
    code = "model_not_allowed"


class IpNotAuthorized(AccessDenied):
    code = "ip_not_authorized"


class AccountSuspended(AccessDenied):
    code = "account_suspended"


class NotFound(GatewayError):
    """Never raised itself. What belongs to another account is not there, with the same words."""

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


class UploadNotFound(NotFound):
    code = "upload_not_found"


class MethodNotAllowed(GatewayError):
    status = 405
    type = INVALID_REQUEST
    code = "method_not_allowed"


class Conflict(GatewayError):
    """Never raised itself. Both SDKs repeat a 409 unless they are told not to."""

    status = 409
    type = INVALID_REQUEST

    def headers(self) -> dict[str, str]:
        return {"x-should-retry": "false"} | super().headers()


class RequestTooLarge(GatewayError):
    status = 413
    type = INVALID_REQUEST
    code = "request_too_large"


class MediaTypeUnsupported(GatewayError):
    status = 415
    type = INVALID_REQUEST
    code = "unsupported_media_type"


class RateLimited(GatewayError):
    """`type` says which budget ran out: "requests" or "tokens"."""

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
    """Our own credentials at the provider are broken; never the caller's 401."""

    code = "upstream_auth_error"


class UpstreamTimeout(UpstreamFailed):
    status = 504
    code = "upstream_timeout"


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
        """Providers invent codes."""
        return "upstream_rejected"

    @property
    def http_status(self) -> int:
        return self._status


class Unavailable(GatewayError):
    """Never raised itself."""

    status = 503


class NoAvailableUpstream(Unavailable):
    code = "no_available_upstream"


class LedgerUnavailable(Unavailable):
    """Money could not be reserved safely; nothing was forwarded and nothing is charged."""

    code = "ledger_unavailable"


class StorageUnavailable(Unavailable):
    """The payload bucket could not be written or read; the caller is not charged for what was not delivered."""

    code = "storage_unavailable"
