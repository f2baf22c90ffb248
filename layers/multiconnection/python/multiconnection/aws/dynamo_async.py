"""The asynchronous driver of the data plane: signed DynamoDB calls over aiohttp, 0.4 ms of CPU each.

aiodynamo gives the credential chain and the pieces of the signer; its client is not used, because it drops the
ALL_OLD item of a failed condition and re-sends after a time-out (see docs/decisions.md).
"""

import hmac
import time
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import aiohttp
import orjson
from aiodynamo.credentials import Credentials, Key
from aiodynamo.http.aiohttp import AIOHTTP
from aiodynamo.sign import (
    ALGORITHM,
    API_VERSION,
    CONTENT_TYPE,
    SERVICE,
    Instant,
    derive_signing_key,
    make_default_endpoint,
)
from yarl import URL

from multiconnection.retry import OutcomeUnknown, StoreUnavailable

from .dynamo import CREDENTIAL_CODES, store_error

CONNECT_TIMEOUT_S = 1.0
REPLY_TIMEOUT_S = 1.5
_NOT_SENT = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
)


class HotDriver:
    """Implements `Driver`. The session belongs to the composition root, which closes it."""

    def __init__(
        self, session: aiohttp.ClientSession, credentials: Credentials, region: str, endpoint_url: str | None = None
    ) -> None:
        self._session = session
        self._credentials = credentials
        self._endpoint = URL(endpoint_url) if endpoint_url else make_default_endpoint(region)
        self._signer = Signer(region, str(self._endpoint.host))
        self._timeout = aiohttp.ClientTimeout(total=REPLY_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S)

    async def call(self, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        try:
            key = await self._credentials.get_key(AIOHTTP(self._session))
        except Exception as exc:  # whatever the credential chain meets on its way; it names no errors of its own
            raise StoreUnavailable(f"no AWS credentials: {type(exc).__name__}") from exc
        if key is None:
            raise StoreUnavailable("no AWS credentials")
        data = orjson.dumps(payload)
        status, body = await self._send(self._signer.headers(key, operation, data), data, operation)
        return self._answer(status, body, operation)

    async def _send(self, headers: Mapping[str, str], body: bytes, operation: str) -> tuple[int, bytes]:
        try:
            async with self._session.post(
                self._endpoint, headers=headers, data=body, timeout=self._timeout
            ) as response:
                return response.status, await response.read()
        except _NOT_SENT as exc:
            raise StoreUnavailable(f"{operation}: {type(exc).__name__}") from exc
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as exc:
            raise OutcomeUnknown(f"{operation}: {type(exc).__name__}") from exc

    def _answer(self, status: int, body: bytes, operation: str) -> dict[str, Any]:
        try:
            answer = orjson.loads(body) if body else {}
        except orjson.JSONDecodeError as exc:
            raise OutcomeUnknown(f"{operation}: HTTP {status} without JSON") from exc
        if not isinstance(answer, dict):
            raise OutcomeUnknown(f"{operation}: HTTP {status} without a JSON object")
        if status == 200:
            return answer
        code = str(answer.get("__type", "")).rpartition("#")[2]
        if code in CREDENTIAL_CODES:
            self._credentials.invalidate()
        raise store_error(status, code, answer, operation)


# AWS Signature Version 4 for DynamoDB: the signing key is derived once a day, the time stamp made once a second.
# Byte for byte what aiodynamo's `signed_dynamo_request` makes, at a seventh of its CPU (see docs/benchmarks.md).

_SIGNED_HEADERS = "content-type;host;x-amz-date;x-amz-target"


class Signer:
    """For one region and host; not shared between threads."""

    def __init__(self, region: str, host: str) -> None:
        self._region = region
        self._host = host
        self._second = 0
        self._timestamp = ""
        self._date = ""
        self._key: Key | None = None
        self._signing_key = b""
        self._scope = ""

    def headers(self, key: Key, operation: str, body: bytes) -> dict[str, str]:
        """The headers of one signed request."""
        self._keep_up(key)
        target = f"{API_VERSION}.{operation}"
        canonical = (
            f"POST\n/\n\ncontent-type:{CONTENT_TYPE}\nhost:{self._host}\nx-amz-date:{self._timestamp}\n"
            f"x-amz-target:{target}\n\n{_SIGNED_HEADERS}\n{sha256(body).hexdigest()}"
        )
        to_sign = f"{ALGORITHM}\n{self._timestamp}\n{self._scope}\n{sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(self._signing_key, to_sign.encode(), "sha256").hex()
        credential = f"Credential={key.id}/{self._scope}"
        headers = {
            "Content-Type": CONTENT_TYPE,
            "X-Amz-Date": self._timestamp,
            "X-Amz-Target": target,
            "Authorization": f"{ALGORITHM} {credential}, SignedHeaders={_SIGNED_HEADERS}, Signature={signature}",
        }
        if key.token:
            headers["X-Amz-Security-Token"] = key.token
        return headers

    def _keep_up(self, key: Key) -> None:
        second = int(time.time())
        if second == self._second and key is self._key:
            return
        instant = Instant.now()
        self._second, self._timestamp = second, instant.timestamp
        if key is not self._key or instant.date != self._date:
            self._key, self._date = key, instant.date
            self._signing_key = derive_signing_key(key, instant, self._region)
            self._scope = f"{self._date}/{self._region}/{SERVICE}/aws4_request"
