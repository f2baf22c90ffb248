"""Where a visitor came in: host, scheme, stage prefix and theme, as far as they can be believed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from multiconnection.api.context import header

_HOST = re.compile(
    r"(?=.{1,255}$)[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?"
)
_PREFIX = re.compile(r"(/[A-Za-z0-9_-]+)*")
_THEME = re.compile(r"(?:^|;\s*)mc_theme=(light|dark)(?:;|$)")


@dataclass(frozen=True, slots=True)
class Visitor:
    """`origin` is None when the Host header is no host; `prefix` is the stage in front of every path, or empty."""

    origin: str | None
    prefix: str
    theme: str | None
    is_secure: bool

    def base_url(self, configured: str | None) -> str:
        """What goes into an SDK as its base URL."""
        return configured or f"{self.origin or ''}{self.prefix}/v1"


def visitor_of(scope: Mapping[str, Any]) -> Visitor:
    scheme = _scheme(scope)
    host = header(scope, b"host") or ""
    theme = _THEME.search(header(scope, b"cookie") or "")
    return Visitor(
        origin=f"{scheme}://{host.lower()}" if _HOST.fullmatch(host) else None,
        prefix=_prefix(scope),
        theme=theme[1] if theme else None,
        is_secure=scheme == "https",
    )


def _scheme(scope: Mapping[str, Any]) -> str:
    forwarded = (header(scope, b"x-forwarded-proto") or "").partition(",")[0].strip().lower()
    found = forwarded or str(scope.get("scheme", "http"))
    return "https" if found == "https" else "http"


def _prefix(scope: Mapping[str, Any]) -> str:
    """A stage's own URL has the stage in front of the path, which API Gateway takes off; a custom domain has none."""
    context = scope.get("aws.event", {}).get("requestContext", {})
    # `https://host/stage`, without a slash behind it, is the path / as well.
    whole, path = str(context.get("path", "")).rstrip("/"), str(scope["path"]).rstrip("/")
    found = whole.removesuffix(path) if whole.endswith(path) else str(scope.get("root_path", ""))
    found = found.rstrip("/")
    return found if _PREFIX.fullmatch(found) else ""
