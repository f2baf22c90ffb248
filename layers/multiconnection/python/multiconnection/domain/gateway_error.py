"""The base of the error tree: the one shape of an error, and the headers that tell a program what to do next."""

from collections.abc import Mapping
from math import ceil
from typing import ClassVar

INVALID_REQUEST = "invalid_request_error"
PERMISSION = "permission_error"
SERVER = "server_error"


class GatewayError(Exception):
    """An answer to the caller: HTTP status, OpenAI error type and a documented code.

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
        """The status of this very answer; only `UpstreamRejected` differs from its class."""
        return self.status

    @property
    def metric_code(self) -> str:
        """The code where it has to be one of a fixed set, as each value of a metric's dimension is paid for."""
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
        """Headers that tell a program what to do next."""
        headers: dict[str, str] = {}
        if self.retry_after_s is not None:
            headers["retry-after"] = str(max(1, ceil(self.retry_after_s)))
        if self.retryable is not None:
            headers["x-should-retry"] = "true" if self.retryable else "false"
        return headers
