"""The provider keys' secret: GetSecretValue over aiohttp, so that the data plane starts without botocore."""

from collections.abc import Mapping
from datetime import UTC, datetime

import aiohttp
import orjson
from aiodynamo.credentials import Credentials, Key

from multiconnection.config import aws_domain

from .sigv4 import KeyUnavailable, Signer, role_key

SERVICE = "secretsmanager"
TIMEOUT = aiohttp.ClientTimeout(total=3.0, sock_connect=1.0)


class SecretUnreadable(Exception):
    """The secret could not be fetched or is not what it should be; the message never quotes it."""


class SecretsManagerSource:
    """One secret, whose text is a JSON object of texts."""

    def __init__(
        self, session: aiohttp.ClientSession, credentials: Credentials, arn: str, endpoint_url: str | None = None
    ) -> None:
        """The region is that of the secret's ARN."""
        region = arn.split(":")[3]
        self._session = session
        self._credentials = credentials
        self._signer = Signer(SERVICE, region)
        self._url = f"{(endpoint_url or f'https://{SERVICE}.{region}.{aws_domain(region)}').rstrip('/')}/"
        self._body = orjson.dumps({"SecretId": arn})

    async def fetch(self) -> Mapping[str, str]:
        """Raises SecretUnreadable."""
        headers = self._signer.headers(
            await self._key(),
            "POST",
            self._url,
            {"content-type": "application/x-amz-json-1.1", "x-amz-target": f"{SERVICE}.GetSecretValue"},
            self._body,
            datetime.now(UTC),
        )
        try:
            async with self._session.post(self._url, headers=headers, data=self._body, timeout=TIMEOUT) as response:
                status, body = response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise SecretUnreadable(f"GetSecretValue: {type(exc).__name__}") from exc
        return values_of(status, body)

    async def _key(self) -> Key:
        try:
            return await role_key(self._credentials, self._session)
        except KeyUnavailable as exc:
            raise SecretUnreadable(str(exc)) from exc


def values_of(status: int, body: bytes) -> Mapping[str, str]:
    """The secret's members. Raises SecretUnreadable, which names an error code at most."""
    answer = _object(body, f"GetSecretValue: HTTP {status} without a JSON object")
    if status != 200:
        code = str(answer.get("__type", "")).rpartition("#")[2]
        raise SecretUnreadable(f"GetSecretValue: HTTP {status} {code}")
    values = _object(answer.get("SecretString"), "the secret is not a JSON object")
    if not all(isinstance(value, str) for value in values.values()):
        raise SecretUnreadable("the secret holds something other than texts")
    return {name: str(value) for name, value in values.items()}


def _object(document: object, otherwise: str) -> dict[str, object]:
    try:
        found = orjson.loads(document) if isinstance(document, str | bytes) else None
    except orjson.JSONDecodeError:
        # Not chained: the decoder's error carries the document it could not read.
        found = None
    if not isinstance(found, dict):
        raise SecretUnreadable(otherwise)
    return found
