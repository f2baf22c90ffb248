"""Signatures of httpx requests. Importing this module loads httpx, so functions do it with their first request."""

from collections.abc import AsyncGenerator, Callable, Mapping
from datetime import UTC, datetime

import httpx
from aiodynamo.credentials import Key

from .client import KeySource, error_code
from .sigv4 import Signer

# Errors of credentials that ended between their last refresh and this request.
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})


class SigV4Auth(httpx.Auth):
    """Signs a request, and once more with fresh credentials when AWS finds them expired."""

    requires_request_body = True

    def __init__(self, signer: Signer, key: KeySource, invalidate: Callable[[], object]) -> None:
        self._signer = signer
        self._key = key
        self._invalidate = invalidate

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        unsigned = dict(request.headers)
        self._sign(request, unsigned, await self._key())
        response = yield request
        if response.status_code >= 400 and error_code(response.headers, await response.aread()) in _EXPIRED:
            self._invalidate()
            self._sign(request, unsigned, await self._key())
            yield request

    def _sign(self, request: httpx.Request, unsigned: Mapping[str, str], key: Key) -> None:
        signed = {name: unsigned[name] for name in ("content-type", "x-amz-target") if name in unsigned}
        # The old token must not stay beside a key that has none.
        request.headers.pop("x-amz-security-token", None)
        url, now = str(request.url), datetime.now(UTC)
        request.headers.update(self._signer.headers(key, request.method, url, signed, request.content, now))
