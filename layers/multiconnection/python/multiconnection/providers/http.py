"""The HTTP client of the dialects: one pooled aiohttp session, answers read piece by piece, failures named."""

import asyncio
import io
import math
import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from multiconnection.calls.upstream import UpstreamError
from multiconnection.catalog.models import Provider
from multiconnection.errors import RequestInvalid
from multiconnection.web.json import encode

from .errors import (
    AnswerTimedOut,
    BodyTooLarge,
    ConnectFailed,
    ConnectionCut,
    ConnectTimedOut,
    TransportFailure,
    status_error,
    transport_error,
)

BODY_BYTES_MAX = 32 * 1024 * 1024
HEADER_BYTES_MAX = 32 * 1024
_NEVER_SENT = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientSSLError,
    aiohttp.InvalidURL,
    aiohttp.NonHttpUrlClientError,
)
LARGE_BODY_BYTES = 1024 * 1024  # above this aiohttp wants a file-like body, written in pieces
DRAIN_S = 0.25
# More than any error object has; what is longer says nothing, and the status alone is enough to go on.
ERROR_BYTES_MAX = 64 * 1024
USER_AGENT = "MultiConnection/0.1"
JSON = "application/json"
EVENTS = "text/event-stream"
# As HTML 5 has it: nothing of a name can end its header.
_ESCAPES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})


class Reply(Protocol):
    """An answer whose headers have arrived. `idle_since` is moved by the reader whenever it made progress."""

    status: int
    headers: Mapping[str, str]
    idle_since: float

    async def read(self) -> bytes:
        """The next bytes, b"" at a clean end; raises TransportFailure."""

    async def drain(self) -> None:
        """Read what little may be left, so that the connection can be used again, and close."""

    def close(self) -> None:
        """Drop the connection unless the answer was read to its end."""


class Http(Protocol):
    """The network as a dialect needs it."""

    async def post(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        connect_timeout_s: float,
        first_byte_timeout_s: float,
        idle_timeout_s: float,
    ) -> Reply:
        """Raises TransportFailure."""


@dataclass(frozen=True, slots=True)
class FilePart:
    """One file under a field's name."""

    name: str
    filename: str
    content_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request that is posted to `path` below the provider's base URL."""

    path: str
    body: bytes
    content_type: str = JSON
    accept: str = JSON

    @classmethod
    def json(cls, path: str, body: object, accept: str = JSON) -> "Outgoing":
        """Raises UpstreamError when the body cannot be written as JSON."""
        return cls(path, as_json(body), accept=accept)

    def __repr__(self) -> str:
        return f"Outgoing({self.path}, {len(self.body)} bytes)"


class Exchange:
    """One request to a provider, the same for every endpoint: posts with its address, key and time-outs.

    Holds no state but the network.
    """

    def __init__(self, http: Http) -> None:
        self._http = http

    async def send(self, provider: Provider, outgoing: Outgoing) -> Reply:
        """The reply whatever its status, for the caller to close. Raises UpstreamError."""
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


def as_json(value: object) -> bytes:
    """Part of a request as JSON; raises UpstreamError when it is nested too deeply."""
    try:
        return encode(value)
    except ValueError as exc:
        error = RequestInvalid("The request body is nested too deeply.")
        raise UpstreamError(error, retry_elsewhere=False) from exc


def form_data(fields: Iterable[tuple[str, str]], files: Iterable[FilePart]) -> tuple[bytes, str]:
    """multipart/form-data as browsers write it (RFC 7578): the body, and its content type.

    The boundary is random, so no part can contain it.
    """
    boundary = f"----MultiConnection{secrets.token_hex(16)}"
    pieces: list[bytes] = []
    for name, text in fields:
        pieces += [_head(boundary, name), b"\r\n\r\n", text.encode("utf-8", "replace"), b"\r\n"]
    for file in files:
        described = f'; filename="{file.filename.translate(_ESCAPES)}"\r\nContent-Type: {file.content_type}\r\n\r\n'
        pieces += [_head(boundary, file.name), described.encode("utf-8", "replace"), file.data, b"\r\n"]
    pieces.append(f"--{boundary}--\r\n".encode())
    return b"".join(pieces), f"multipart/form-data; boundary={boundary}"


def is_ok(reply: Reply) -> bool:
    return 200 <= reply.status < 300


async def refused(provider: Provider, reply: Reply) -> UpstreamError:
    return status_error(reply.status, reply.headers, await error_body(reply), provider)


async def error_body(reply: Reply) -> bytes:
    """The body of a refusal as far as it could be read: the status alone is enough to go on."""
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
    """Our own headers only: nothing of the caller's reaches a provider."""
    headers = {"content-type": content_type, "accept": accept, "user-agent": USER_AGENT}
    if provider.api_key and provider.auth == "bearer":
        headers["authorization"] = f"Bearer {provider.api_key}"
    elif provider.api_key and provider.auth == "api-key":
        headers["api-key"] = provider.api_key
    return headers


async def read_body(reply: Reply, bytes_max: int = BODY_BYTES_MAX, start: bytes = b"") -> bytes:
    """The rest of the answer behind `start`; blank lines do not count as progress. Raises TransportFailure."""
    parts, size = [start], len(start)
    while data := await reply.read():
        size += len(data)
        if size > bytes_max:
            reply.close()
            raise BodyTooLarge(f"more than {bytes_max} bytes")
        parts.append(data)
        if not data.isspace():
            reply.idle_since = monotonic()
    return b"".join(parts)


class AiohttpReply:
    """A Reply whose connection is closed when the reader has waited `idle_timeout_s` without progress.

    One timer per answer, not one per read: it looks at the clock when it fires and goes back to sleep.
    """

    def __init__(self, response: aiohttp.ClientResponse, idle_timeout_s: float) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self.idle_since = monotonic()
        self._response = response
        self._idle_timeout_s = idle_timeout_s
        self._reading = False
        self._timed_out = False
        self._timer = asyncio.get_running_loop().call_later(idle_timeout_s, self._watch)

    async def read(self) -> bytes:
        self._reading = True
        try:
            data = await self._response.content.readany()
        except (aiohttp.ClientError, HttpProcessingError, OSError, EOFError) as exc:
            self.close()
            if self._timed_out:
                raise AnswerTimedOut("silent for too long") from exc
            raise ConnectionCut("the connection was cut") from exc
        finally:
            self._reading = False
        if not data:
            self._timer.cancel()
        return data

    async def drain(self) -> None:
        with suppress(TransportFailure, TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                while await self.read():
                    pass
        self.close()

    def close(self) -> None:
        self._timer.cancel()
        self._response.close()

    def _watch(self) -> None:
        """A reader that is not waiting (its client is slow) is not held against the provider."""
        left_s = self._idle_timeout_s
        if self._reading:
            left_s -= monotonic() - self.idle_since
        if left_s <= 0:
            self._timed_out = True
            self._response.close()
        else:
            self._timer = asyncio.get_running_loop().call_later(left_s, self._watch)


class AiohttpClient:
    """The Http of production. The session is made at the first call, inside the running loop."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def post(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        connect_timeout_s: float,
        first_byte_timeout_s: float,
        idle_timeout_s: float,
    ) -> Reply:
        timeout = aiohttp.ClientTimeout(total=None, connect=connect_timeout_s, sock_connect=connect_timeout_s)
        data = body if len(body) <= LARGE_BODY_BYTES else io.BytesIO(body)
        try:
            async with asyncio.timeout(first_byte_timeout_s):
                response = await self._open().post(
                    url, headers=headers, data=data, timeout=timeout, allow_redirects=False
                )
        except (aiohttp.ClientError, HttpProcessingError, OSError, ValueError) as exc:
            raise _failure(exc) from exc
        return AiohttpReply(response, idle_timeout_s)

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=60),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"accept-encoding": "identity"},
                trust_env=False,
                max_line_size=HEADER_BYTES_MAX,
                max_field_size=HEADER_BYTES_MAX,
            )
        return self._session


def _failure(exc: Exception) -> TransportFailure:
    """`TimeoutError` alone is ours for the first byte; aiohttp has its own for connecting."""
    if isinstance(exc, aiohttp.ConnectionTimeoutError):
        return ConnectTimedOut("no connection in time")
    if isinstance(exc, _NEVER_SENT):
        return ConnectFailed("no connection")
    if isinstance(exc, TimeoutError):
        return AnswerTimedOut("no answer in time")
    if isinstance(exc, ValueError):
        return ConnectFailed("a malformed address or header")
    return ConnectionCut("the connection was cut before the answer")


def _head(boundary: str, name: str) -> bytes:
    escaped = name.translate(_ESCAPES)
    return f'--{boundary}\r\nContent-Disposition: form-data; name="{escaped}"'.encode("utf-8", "replace")
