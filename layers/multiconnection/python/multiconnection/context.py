"""The context of a request: its id, its times, and its outcome."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .ids import request_id_of
from .usage import Attempts

_NO_HEADERS: Mapping[str, str] = {}


@dataclass(slots=True)
class RequestContext:
    """Created before anything else reads a request; published as its metrics once the answer is complete.

    `started_s` and `function_ends_s` are epoch seconds. `limits` returns the rate-limit headers when the answer starts:
    those of the address at first, those of the key once the caller is known. The fields after it are filled in later:
    `error_code` by the error handlers, `attempts` and `charged` (members of the metrics line) by paid calls.
    """

    hold_id: str
    started_s: float
    ip: str = ""
    function_ends_s: float | None = None
    limits: Callable[[], Mapping[str, str]] = field(default=lambda: _NO_HEADERS, compare=False)
    method: str = ""
    route: str = ""
    status: int = 0
    error_code: str = ""
    first_byte_ms: int | None = None
    attempts: Attempts | None = None
    charged: Mapping[str, object] | None = None

    @property
    def request_id(self) -> str:
        return request_id_of(self.hold_id)

    @property
    def code(self) -> str:
        """The code of the error that the caller was shown, those inside a stream included; empty on success."""
        return self.error_code or (self.attempts.error_code if self.attempts else "")
