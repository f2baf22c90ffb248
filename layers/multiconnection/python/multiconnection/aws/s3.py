"""The payload bucket: S3 over aiohttp, signed by ourselves, so that the data plane starts without botocore."""

import asyncio
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol
from urllib.parse import quote

import aiohttp
from aiodynamo.credentials import Credentials, Key
from yarl import URL

from multiconnection.config import aws_domain

from .sigv4 import CONTENT_HASH, KeyUnavailable, Signer, role_key, sha256_hex

SERVICE = "s3"
# Whole objects of 64 MB pass within seconds inside a region; a silent S3 is given up long before the function ends.
TIMEOUT = aiohttp.ClientTimeout(total=30.0, sock_connect=1.0, sock_read=10.0)
# Every operation may be repeated: a PUT of the same bytes is the same object. On a lost connection aiohttp sends such a
# request once more, too.
ATTEMPTS_MAX = 2
RETRY_PAUSE_S = 0.1
CHUNK_BYTES = 256 * 1024
ERROR_BYTES_MAX = 8 * 1024
CREDENTIAL_CODES = frozenset({"ExpiredToken", "InvalidToken", "InvalidAccessKeyId", "SignatureDoesNotMatch"})
_CODE = re.compile(rb"<Code>(\w{1,64})</Code>")


class PayloadStoreError(Exception):
    """The store failed; every operation may be repeated."""


class PayloadMissing(PayloadStoreError):
    """There is no object under this key."""


class PayloadTooLarge(PayloadStoreError):
    """The object has more bytes than the reader can take."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object of the bucket, without its bytes."""

    key: str
    size: int
    content_type: str


class PayloadStore(Protocol):
    """Whole objects, and URLs that let others read or write one.

    The caller builds keys from the account's own id; the store does not check them.
    """

    async def put(self, key: str, body: bytes, content_type: str) -> None:
        """Store an object, readable when this returns; the same again changes nothing. Raises PayloadStoreError."""

    async def head(self, key: str) -> StoredObject | None:
        """None if there is no such object. Raises PayloadStoreError."""

    async def get(self, key: str, bytes_max: int) -> bytes:
        """The whole object. Raises PayloadMissing, PayloadTooLarge or PayloadStoreError."""

    async def presigned_get(self, key: str, expires_s: int) -> str:
        """A URL that reads the object without credentials; it need not exist yet. Raises PayloadStoreError."""

    async def presigned_put(self, key: str, size: int, content_type: str, expires_s: int) -> str:
        """A URL that writes the object: exactly `size` bytes, sent as `content_type`. Raises PayloadStoreError."""


@dataclass(frozen=True, slots=True)
class S3Reply:
    """`code` is S3's own error code; "" where it gives none, as on every refused HEAD."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)
    code: str = ""

    @property
    def is_missing(self) -> bool:
        """Our functions may not list the bucket, so S3 answers AccessDenied for an object that is missing."""
        return self.code in ("NoSuchKey", "AccessDenied") or (self.status == 404 and not self.code)


class S3Objects:
    """Implements `PayloadStore`. The session belongs to the composition root, which closes it."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        credentials: Credentials,
        bucket: str,
        region: str,
        endpoint_url: str | None = None,
    ) -> None:
        """The bucket is part of the host on AWS, and part of the path behind an `endpoint_url`."""
        self._session = session
        self._credentials = credentials
        self._signer = Signer(SERVICE, region)
        self._base = (
            f"{endpoint_url.rstrip('/')}/{bucket}"
            if endpoint_url
            else f"https://{bucket}.{SERVICE}.{region}.{aws_domain(region)}"
        )

    async def put(self, key: str, body: bytes, content_type: str) -> None:
        reply = await self._request("PUT", key, {"content-type": content_type}, body)
        if reply.status != 200:
            raise _failed("PUT", reply)

    async def head(self, key: str) -> StoredObject | None:
        reply = await self._request("HEAD", key)
        if reply.status in (400, 403):
            # A refused HEAD does not say why; a refused GET does.
            reply = await self._request("GET", key, {"range": "bytes=0-0"})
        if reply.is_missing:
            return None
        if reply.status not in (200, 206):
            raise _failed("HEAD", reply)
        return StoredObject(key, _size(reply), reply.headers.get("content-type", ""))

    async def get(self, key: str, bytes_max: int) -> bytes:
        reply = await self._request("GET", key, bytes_max=bytes_max)
        if reply.is_missing:
            raise PayloadMissing(f"GET: {reply.code or reply.status}")
        if reply.status != 200:
            raise _failed("GET", reply)
        return reply.body

    async def presigned_get(self, key: str, expires_s: int) -> str:
        return await self._presigned("GET", key, {}, expires_s)

    async def presigned_put(self, key: str, size: int, content_type: str, expires_s: int) -> str:
        headers = {"content-length": str(size), "content-type": content_type}
        return await self._presigned("PUT", key, headers, expires_s)

    async def _presigned(self, method: str, key: str, headers: Mapping[str, str], expires_s: int) -> str:
        return self._signer.presigned(await self._key(), method, self._url(key), headers, expires_s, datetime.now(UTC))

    async def _request(
        self, method: str, key: str, headers: Mapping[str, str] | None = None, body: bytes = b"", bytes_max: int = 0
    ) -> S3Reply:
        """Send one operation, again if S3 failed or the credentials had expired; returns the reply of any status."""
        for _ in range(ATTEMPTS_MAX - 1):
            try:
                reply = await self._send(method, key, headers or {}, body, bytes_max)
            except PayloadTooLarge:
                raise
            except PayloadStoreError:
                await asyncio.sleep(RETRY_PAUSE_S)
                continue
            if reply.code in CREDENTIAL_CODES:
                self._credentials.invalidate()
            elif reply.status < 500 and reply.status != 429:
                return reply
            await asyncio.sleep(RETRY_PAUSE_S)
        return await self._send(method, key, headers or {}, body, bytes_max)

    async def _send(self, method: str, key: str, headers: Mapping[str, str], body: bytes, bytes_max: int) -> S3Reply:
        url = self._url(key)
        hashed = {**headers, CONTENT_HASH: sha256_hex(body)}
        signed = self._signer.headers(await self._key(), method, url, hashed, body, datetime.now(UTC))
        try:
            async with self._session.request(
                method,
                URL(url, encoded=True),
                headers=signed,
                data=io.BytesIO(body) if method == "PUT" else None,
                timeout=TIMEOUT,
                allow_redirects=False,
                # What a customer stored as gzip is what a customer gets; unpacked it could be of any size.
                auto_decompress=False,
            ) as response:
                return await _reply(response, bytes_max)
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise PayloadStoreError(f"{method}: {type(exc).__name__}") from exc

    async def _key(self) -> Key:
        try:
            return await role_key(self._credentials, self._session)
        except KeyUnavailable as exc:
            raise PayloadStoreError(str(exc)) from exc

    def _url(self, key: str) -> str:
        return f"{self._base}/{quote(key, safe='/~')}"


async def _reply(response: aiohttp.ClientResponse, bytes_max: int) -> S3Reply:
    headers = {name.lower(): value for name, value in response.headers.items()}
    if response.status >= 300:
        error = _CODE.search(await response.content.read(ERROR_BYTES_MAX))
        return S3Reply(response.status, headers, code=error[1].decode() if error else "")
    if response.method == "GET" and response.status == 200:
        return S3Reply(200, headers, await _read(response, bytes_max))
    return S3Reply(response.status, headers)


async def _read(response: aiohttp.ClientResponse, bytes_max: int) -> bytes:
    declared = response.content_length or 0
    chunks: list[bytes] = []
    size = 0
    if declared <= bytes_max:
        async for chunk in response.content.iter_chunked(CHUNK_BYTES):
            size += len(chunk)
            if size > bytes_max:
                break
            chunks.append(chunk)
    if max(size, declared) > bytes_max:
        raise PayloadTooLarge(f"GET: more than {bytes_max} bytes")
    return b"".join(chunks)


def _size(reply: S3Reply) -> int:
    """The size of the whole object, also if only its first byte was requested."""
    _, _, total = reply.headers.get("content-range", "").rpartition("/")
    size = total or reply.headers.get("content-length", "")
    if not size.isdecimal():
        raise PayloadStoreError(f"HEAD: no size but {size[:32]!r}")
    return int(size)


def _failed(operation: str, reply: S3Reply) -> PayloadStoreError:
    return PayloadStoreError(f"{operation}: HTTP {reply.status} {reply.code}")
