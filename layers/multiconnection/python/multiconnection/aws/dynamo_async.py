"""The asynchronous driver of the data plane: signed DynamoDB calls over aiohttp, 0.4 ms of CPU each.

aiodynamo gives the credential chain; its client is not used, because it drops the ALL_OLD item of a failed condition
and re-sends after a time-out (see docs/decisions.md).
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import aiohttp
import orjson
from aiodynamo.credentials import Credentials, Key
from yarl import URL

from multiconnection.config import aws_domain
from multiconnection.retry import OutcomeUnknown, StoreUnavailable

from .dynamo import CREDENTIAL_CODES, store_error
from .sigv4 import KeyUnavailable, Signer, role_key, sha256_hex, timestamp_of

CONNECT_TIMEOUT_S = 1.0
REPLY_TIMEOUT_S = 1.5
API_VERSION = "DynamoDB_20120810"
CONTENT_TYPE = "application/x-amz-json-1.0"
_SIGNED_HEADERS = "content-type;host;x-amz-date;x-amz-target"
_NOT_SENT = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
)


class AsyncDriver:
    """Implements `Driver`. The session belongs to the composition root, which closes it."""

    def __init__(
        self, session: aiohttp.ClientSession, credentials: Credentials, region: str, endpoint_url: str | None = None
    ) -> None:
        self._session = session
        self._credentials = credentials
        self._endpoint = URL(endpoint_url or f"https://dynamodb.{region}.{aws_domain(region)}/")
        self._signer = Signer("dynamodb", region)
        self._timeout = aiohttp.ClientTimeout(total=REPLY_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S)
        self._host = str(self._endpoint.host)
        self._second = 0
        self._timestamp = ""

    async def call(self, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        try:
            key = await role_key(self._credentials, self._session)
        except KeyUnavailable as exc:
            raise StoreUnavailable(str(exc)) from exc
        data = orjson.dumps(payload)
        status, body = await self._send(self.headers(key, operation, data), data, operation)
        return self._answer(status, body, operation)

    def headers(self, key: Key, operation: str, body: bytes) -> dict[str, str]:
        """The headers of one signed request.

        Byte for byte what aiodynamo's `signed_dynamo_request` makes, at a seventh of its CPU (see docs/benchmarks.md):
        the canonical request is a template, and the time stamp is written once a second.
        """
        second = int(time.time())
        if second != self._second:
            self._second, self._timestamp = second, timestamp_of(datetime.fromtimestamp(second, UTC))
        timestamp, target = self._timestamp, f"{API_VERSION}.{operation}"
        request = (
            f"POST\n/\n\ncontent-type:{CONTENT_TYPE}\nhost:{self._host}\nx-amz-date:{timestamp}\n"
            f"x-amz-target:{target}\n\n{_SIGNED_HEADERS}\n{sha256_hex(body)}"
        )
        headers = {
            "Content-Type": CONTENT_TYPE,
            "X-Amz-Date": timestamp,
            "X-Amz-Target": target,
            "Authorization": self._signer.authorization(key, timestamp, _SIGNED_HEADERS, request),
        }
        if key.token:
            headers["X-Amz-Security-Token"] = key.token
        return headers

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
