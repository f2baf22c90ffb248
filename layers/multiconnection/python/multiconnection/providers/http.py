"""The HTTP client of the dialects: one pooled aiohttp session, answers read piece by piece, failures named."""

import asyncio
import io
from collections.abc import Mapping
from contextlib import suppress
from time import monotonic
from typing import Protocol

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

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


class TransportFailure(Exception):
    """The exchange with a provider broke below HTTP; the subclass says where."""


class ConnectFailed(TransportFailure):
    """Refused, unresolved, unreachable, or no trusted TLS: nothing was sent."""


class ConnectTimedOut(TransportFailure):
    """No connection in time: nothing was sent."""


class AnswerTimedOut(TransportFailure):
    """The request was sent and the answer, or the rest of it, did not come in time."""


class ConnectionCut(TransportFailure):
    """The connection broke after the request was sent."""


class BodyTooLarge(TransportFailure):
    """An unstreamed answer longer than the bound."""


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
    """What a dialect needs of the network."""

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
