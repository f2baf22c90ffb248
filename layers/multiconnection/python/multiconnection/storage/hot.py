"""The asynchronous driver of the data plane: signed DynamoDB calls over aiohttp, 0.4 ms of CPU each.

aiodynamo gives the credential chain and the pieces of the signer; its client is not used, because it drops the
ALL_OLD item of a failed condition and re-sends after a time-out (see docs/decisions.md).
"""

from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson
from aiodynamo.credentials import Credentials
from aiodynamo.http.aiohttp import AIOHTTP
from aiodynamo.sign import make_default_endpoint
from yarl import URL

from multiconnection.ledger.store import OutcomeUnknown, StoreUnavailable

from .answers import CREDENTIAL_CODES, store_error
from .signing import Signer

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
