"""One request to a provider and what is made of its refusal: the same for every endpoint."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from multiconnection.domain.provider import Provider
from multiconnection.services.ports import UpstreamError

from .errors import status_error, transport_error
from .http import BODY_BYTES_MAX, Http, Reply, TransportFailure, read_body

# More than any error object has; what is longer says nothing, and the status alone is enough to go on.
ERROR_BYTES_MAX = 64 * 1024
USER_AGENT = "MultiConnection/0.1"
JSON = "application/json"
EVENTS = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What is posted to `path` below the provider's base URL."""

    path: str
    body: bytes
    content_type: str = JSON
    accept: str = JSON

    def __repr__(self) -> str:
        return f"Outgoing({self.path}, {len(self.body)} bytes)"


class Exchange:
    """Posts with the provider's address, key and time-outs; holds no state but the network."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def send(self, provider: Provider, outgoing: Outgoing) -> Reply:
        """The reply whatever its status; whoever gets it closes it. Raises UpstreamError."""
        silence_max_s = math.inf if outgoing.accept == EVENTS else provider.silence_max_s
        try:
            return await self._http.post(
                endpoint(provider.base_url, outgoing.path),
                request_headers(provider, outgoing.content_type, outgoing.accept),
                outgoing.body,
                connect_timeout_s=provider.connect_timeout_s,
                first_byte_timeout_s=min(provider.first_byte_timeout_s, silence_max_s),
                idle_timeout_s=min(provider.idle_timeout_s, silence_max_s),
            )
        except TransportFailure as exc:
            raise transport_error(exc) from exc

    async def open(self, provider: Provider, outgoing: Outgoing) -> Reply:
        """A reply that is 2xx. Raises UpstreamError."""
        reply = await self.send(provider, outgoing)
        if not is_ok(reply):
            raise await refused(provider, reply)
        return reply

    async def whole(
        self, provider: Provider, outgoing: Outgoing, bytes_max: int = BODY_BYTES_MAX
    ) -> tuple[bytes, Mapping[str, str]]:
        """Body and headers of a 2xx answer. Raises UpstreamError."""
        reply = await self.open(provider, outgoing)
        try:
            return await read_body(reply, bytes_max), reply.headers
        except TransportFailure as exc:
            raise transport_error(exc) from exc
        finally:
            reply.close()


def is_ok(reply: Reply) -> bool:
    return 200 <= reply.status < 300


async def refused(provider: Provider, reply: Reply) -> UpstreamError:
    return status_error(reply.status, reply.headers, await error_body(reply), provider)


async def error_body(reply: Reply) -> bytes:
    """What was said with the refusal, as far as it could be read: the status alone is enough to go on."""
    try:
        return await read_body(reply, ERROR_BYTES_MAX)
    except TransportFailure:
        return b""
    finally:
        reply.close()


def endpoint(base_url: str, path: str) -> str:
    """`path` below the base URL, before its query if it has one (Azure's `?api-version=`)."""
    parts = urlsplit(base_url)
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + path, fragment=""))


def request_headers(provider: Provider, content_type: str = JSON, accept: str = JSON) -> dict[str, str]:
    """Only our own: nothing of the caller's headers reaches a provider."""
    headers = {"content-type": content_type, "accept": accept, "user-agent": USER_AGENT}
    if provider.api_key and provider.auth == "bearer":
        headers["authorization"] = f"Bearer {provider.api_key}"
    elif provider.api_key and provider.auth == "api-key":
        headers["api-key"] = provider.api_key
    return headers
