"""Unsafe requests of a browser have to show that they come from our own pages."""

from fastapi import Request

from multiconnection.domain.people_errors import CsrfFailed

from .console_services import ConsoleDep

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
HEADER = "x-mc-csrf"
_MESSAGE = "This request does not come from our own pages."


async def csrf(request: Request, services: ConsoleDep) -> None:
    """A header that no form can send, and an origin that no other site can claim. Raises CsrfFailed."""
    if request.method in SAFE_METHODS:
        return
    if request.headers.get(HEADER) != "1":
        raise CsrfFailed(f"Send the header `{HEADER}: 1`.")
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site not in (None, "same-origin") or (site is None and origin is None):
        raise CsrfFailed(_MESSAGE)
    if origin is not None and origin.lower() not in own_origins(request) | services.identity.public_origins:
        raise CsrfFailed(_MESSAGE)


def own_origins(request: Request) -> frozenset[str]:
    """Of the host that the browser has sent this request to; the scheme is the platform's word, not the browser's."""
    host = request.headers.get("host", "").lower()
    return frozenset({f"{request.scope['scheme']}://{host}"}) if host else frozenset()
