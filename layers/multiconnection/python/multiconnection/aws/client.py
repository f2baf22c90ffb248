"""AWS services with a JSON protocol over httpx: one client, requests signed with the credentials of this process.

botocore would cost each cold environment 190 ms of CPU for the few operations that the API functions call.
https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
from aiodynamo.credentials import Key

from multiconnection.config import aws_domain

from .sigv4 import Signer

# Errors of credentials that ended between their last refresh and this request.
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_UNSIGNED = httpx.Auth()
KeySource = Callable[[], Awaitable[Key]]
"""The current credentials. Raises KeyUnavailable."""


class AwsRefused(Exception):
    """The service answered with an error; `code` is its name without a namespace. Its message may quote our input."""

    def __init__(self, operation: str, status: int, code: str) -> None:
        super().__init__(f"{operation}: HTTP {status} {code}".rstrip())
        self.status = status
        self.code = code


class AwsUnreachable(Exception):
    """No answer; the request was certainly not carried out only if it was not `sent`."""

    def __init__(self, operation: str, cause: Exception, *, sent: bool) -> None:
        super().__init__(f"{operation}: {type(cause).__name__}")
        self.sent = sent


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
        if response.status_code in (400, 401, 403):
            await response.aread()
            if error_code(response) in _EXPIRED:
                self._invalidate()
                self._sign(request, unsigned, await self._key())
                yield request

    def _sign(self, request: httpx.Request, unsigned: Mapping[str, str], key: Key) -> None:
        signed = {name: unsigned[name] for name in ("content-type", "x-amz-target") if name in unsigned}
        url = str(request.url)
        request.headers.update(
            self._signer.headers(key, request.method, url, signed, request.content, datetime.now(UTC))
        )


class AwsService:
    """One service in one region: `call` sends an operation and returns its answer."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        key: KeySource,
        invalidate: Callable[[], object],
        *,
        name: str,
        target: str,
        region: str,
        json_version: str = "1.0",
        host: str | None = None,
        endpoint_url: str | None = None,
        timeout_s: float = 5.0,
        connect_timeout_s: float = 1.0,
    ) -> None:
        """`name` is the one in signatures; `target` prefixes operations; `host` is the first label, `name` if None."""
        self._http = http
        self._auth = SigV4Auth(Signer(name, region), key, invalidate)
        self._target = target
        self._media_type = f"application/x-amz-json-{json_version}"
        self._url = f"{(endpoint_url or f'https://{host or name}.{region}.{aws_domain(region)}').rstrip('/')}/"
        self._timeout = httpx.Timeout(timeout_s, connect=connect_timeout_s)

    async def call(self, operation: str, payload: Mapping[str, Any], *, signed: bool = True) -> dict[str, Any]:
        """Sent once, or twice with expired credentials. Raises AwsRefused, AwsUnreachable or KeyUnavailable."""
        headers = {"content-type": self._media_type, "x-amz-target": f"{self._target}.{operation}"}
        try:
            response = await self._http.post(
                self._url,
                content=orjson.dumps(payload),
                headers=headers,
                auth=self._auth if signed else _UNSIGNED,
                timeout=self._timeout,
            )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as exc:
            raise AwsUnreachable(operation, exc, sent=False) from exc
        except httpx.HTTPError as exc:
            raise AwsUnreachable(operation, exc, sent=True) from exc
        if response.status_code != 200:
            raise AwsRefused(operation, response.status_code, error_code(response))
        return _object(response.content)


def error_code(response: httpx.Response) -> str:
    """The error's name: of the query-compatible header, of the body, or empty."""
    code = response.headers.get("x-amzn-query-error", "").partition(";")[0]
    code = code or response.headers.get("x-amzn-errortype", "")
    code = code or str(_object(response.content).get("__type", ""))
    return code.partition(":")[0].rpartition("#")[2]


def _object(content: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(content or b"{}")
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
