"""AWS services with a JSON protocol over httpx: one client, requests signed with the credentials of this process.

botocore would cost each cold environment 190 ms of CPU for the few operations that the API functions call.
https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any

import orjson
from aiodynamo.credentials import Key

from multiconnection.config import aws_domain

from .sigv4 import KeyUnavailable, Signer

if TYPE_CHECKING:
    import httpx

# Refused for load.
_THROTTLED = frozenset({"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"})
# Pauses before a repetition are random below these: the first, and what it doubles to.
REPEAT_PAUSE_MS, REPEAT_PAUSE_MAX_MS = 100, 2000
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

    def __init__(self, operation: str, reason: str, *, sent: bool) -> None:
        super().__init__(f"{operation}: {reason}")
        self.reason = reason
        self.sent = sent


class AwsHttp:
    """Connections and credentials that the services of a process share; httpx is loaded by the first request."""

    def __init__(
        self,
        key: KeySource,
        invalidate: Callable[[], object],
        region: str,
        endpoint_url: str | None = None,
        *,
        keep_alive: bool = True,
        transport: "httpx.AsyncBaseTransport | None" = None,
    ) -> None:
        """Without `keep_alive` no connection outlives its request: tools run an event loop for each task.

        `endpoint_url` stands for every service, as a local AWS does.
        """
        self.key = key
        self.invalidate = invalidate
        self.region = region
        self.endpoint_url = endpoint_url
        self._keep_alive = keep_alive
        self._transport = transport
        self._client: httpx.AsyncClient | None = None

    @property
    def client(self) -> "httpx.AsyncClient":
        if self._client is None:
            import httpx

            self._client = httpx.AsyncClient(
                transport=self._transport,
                trust_env=False,
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                limits=httpx.Limits(max_keepalive_connections=None if self._keep_alive else 0),
            )
        return self._client

    async def request(
        self, operation: str, method: str, url: str, *, connect_s: float, total_s: float, **more: Any
    ) -> "httpx.Response":
        """One request within `total_s`, whatever its answer is. Raises AwsUnreachable."""
        import httpx

        timeout = httpx.Timeout(total_s, connect=connect_s)
        try:
            async with asyncio.timeout(total_s):
                return await self.client.request(method, url, timeout=timeout, **more)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as exc:
            raise AwsUnreachable(operation, type(exc).__name__, sent=False) from exc
        except KeyUnavailable as exc:
            raise AwsUnreachable(operation, str(exc), sent=False) from exc
        except (httpx.HTTPError, TimeoutError, OSError) as exc:
            raise AwsUnreachable(operation, type(exc).__name__, sent=True) from exc

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None


class AwsService:
    """One service in one region: `call` sends an operation and returns its answer."""

    def __init__(
        self,
        http: AwsHttp,
        name: str,
        target: str,
        *,
        json_version: str = "1.0",
        region: str | None = None,
        connect_s: float = 1.0,
        total_s: float = 5.0,
        attempts_max: int = 1,
        repeat_s: float = 5.0,
    ) -> None:
        """`name` is the one in hosts and signatures; `target` prefixes operations; `region` is `http`'s if None.

        More than one attempt is for operations that may be repeated after an unknown outcome. What was refused for load
        is repeated until `attempts_max` or `repeat_s`, what failed only once.
        """
        region = region or http.region
        self._http = http
        self._target = target
        self._media_type = f"application/x-amz-json-{json_version}"
        self._url = f"{(http.endpoint_url or f'https://{name}.{region}.{aws_domain(region)}').rstrip('/')}/"
        self._signer = Signer(name, region)
        self._bounds = {"connect_s": connect_s, "total_s": total_s}
        self._attempts_max = attempts_max
        self._repeat_s = repeat_s

    async def call(self, operation: str, payload: Mapping[str, Any], *, signed: bool = True) -> dict[str, Any]:
        """Sent once more with fresh credentials if they had expired. Raises AwsRefused or AwsUnreachable."""
        clock = asyncio.get_running_loop()
        last_from_s = clock.time() + self._repeat_s
        for attempt in range(self._attempts_max - 1):
            if clock.time() >= last_from_s:
                break
            try:
                return await self._call(operation, payload, signed)
            except AwsRefused as exc:
                if exc.code not in _THROTTLED and (exc.status < 500 or attempt):
                    raise
            except AwsUnreachable:
                if attempt:
                    raise
            longest_ms = min(REPEAT_PAUSE_MS << attempt, REPEAT_PAUSE_MAX_MS)
            await asyncio.sleep(secrets.randbelow(longest_ms) / 1000)
        return await self._call(operation, payload, signed)

    async def _call(self, operation: str, payload: Mapping[str, Any], signed: bool) -> dict[str, Any]:
        from .auth import SigV4Auth

        headers = {"content-type": self._media_type, "x-amz-target": f"{self._target}.{operation}"}
        auth = SigV4Auth(self._signer, self._http.key, self._http.invalidate) if signed else None
        response = await self._http.request(
            operation,
            "POST",
            self._url,
            content=orjson.dumps(payload),
            headers=headers,
            auth=auth,
            **self._bounds,
        )
        return answer_of(operation, response)


def answer_of(operation: str, response: "httpx.Response") -> dict[str, Any]:
    """The JSON object of a successful answer. Raises AwsRefused, or AwsUnreachable for something else."""
    if response.status_code != 200:
        raise AwsRefused(operation, response.status_code, error_code(response.headers, response.content))
    answer = object_in(response.content or b"{}")
    if answer is None:
        raise AwsUnreachable(operation, "HTTP 200 without a JSON object", sent=True)
    return answer


def error_code(headers: Mapping[str, str], body: bytes) -> str:
    """The error's name: of the query-compatible header, of the protocol's header, of the body, or empty."""
    code = headers.get("x-amzn-query-error", "").partition(";")[0]
    code = code or headers.get("x-amzn-errortype", "")
    code = code or str((object_in(body) or {}).get("__type", ""))
    return code.partition(":")[0].rpartition("#")[2]


def object_in(document: str | bytes) -> dict[str, Any] | None:
    """The JSON object; None for something else. The decoder's error is dropped, because it holds the document."""
    try:
        found = orjson.loads(document)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None
