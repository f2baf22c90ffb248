"""The payload bucket: S3 over aiohttp, signed by ourselves, so that the data plane starts without botocore."""

import asyncio
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import quote

import aiohttp
from aiodynamo.credentials import Credentials
from yarl import URL

from .sigv4 import CONTENT_HASH, AwsKey, KeyUnavailable, Signer, role_key, sha256_hex

SERVICE = "s3"
# Whole objects of 64 MB pass within seconds inside a region; a silent S3 is given up long before a function ends.
TIMEOUT = aiohttp.ClientTimeout(total=30.0, sock_connect=1.0, sock_read=10.0)
# Every operation may be repeated: a PUT of the same bytes is the same object. On a lost connection aiohttp, too, sends
# a request of these methods once more.
ATTEMPTS_MAX = 2
RETRY_PAUSE_S = 0.1
CHUNK_BYTES = 256 * 1024
ERROR_BYTES_MAX = 8 * 1024
CREDENTIAL_CODES = frozenset({"ExpiredToken", "InvalidToken", "InvalidAccessKeyId", "SignatureDoesNotMatch"})
_CODE = re.compile(rb"<Code>(\w{1,64})</Code>")


@dataclass(frozen=True, slots=True)
class Answer:
    """`code` is S3's own error code; "" where it gives none, as on every refused HEAD."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)
    code: str = ""

    @property
    def is_missing(self) -> bool:
        """S3 answers AccessDenied for a missing object to whoever may not list the bucket, as our functions may not."""
        return self.code in ("NoSuchKey", "AccessDenied") or (self.status == 404 and not self.code)


# What the use cases need of the payload bucket: whole objects, and URLs that let others read or write one.


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What HEAD tells."""

    key: str
    size: int
    content_type: str


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
        """The bucket is part of the host on AWS, part of the path behind an `endpoint_url`."""
        domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
        self._session = session
        self._credentials = credentials
        self._signer = Signer(SERVICE, region)
        self._base = (
            f"{endpoint_url.rstrip('/')}/{bucket}" if endpoint_url else f"https://{bucket}.{SERVICE}.{region}.{domain}"
        )

    async def put(self, key: str, body: bytes, content_type: str) -> None:
        answer = await self._ask("PUT", key, {"content-type": content_type}, body)
        if answer.status != 200:
            raise _failed("PUT", answer)

    async def head(self, key: str) -> StoredObject | None:
        answer = await self._ask("HEAD", key)
        if answer.status in (400, 403):
            # A refused HEAD does not say why; a refused GET does.
            answer = await self._ask("GET", key, {"range": "bytes=0-0"})
        if answer.is_missing:
            return None
        if answer.status not in (200, 206):
            raise _failed("HEAD", answer)
        return StoredObject(key, _size(answer), answer.headers.get("content-type", ""))

    async def get(self, key: str, bytes_max: int) -> bytes:
        answer = await self._ask("GET", key, bytes_max=bytes_max)
        if answer.is_missing:
            raise PayloadMissing(f"GET: {answer.code or answer.status}")
        if answer.status != 200:
            raise _failed("GET", answer)
        return answer.body

    async def presigned_get(self, key: str, expires_s: int) -> str:
        return await self._presigned("GET", key, {}, expires_s)

    async def presigned_put(self, key: str, size: int, content_type: str, expires_s: int) -> str:
        headers = {"content-length": str(size), "content-type": content_type}
        return await self._presigned("PUT", key, headers, expires_s)

    async def _presigned(self, method: str, key: str, headers: Mapping[str, str], expires_s: int) -> str:
        return self._signer.presigned(await self._key(), method, self._url(key), headers, expires_s, datetime.now(UTC))

    async def _ask(
        self, method: str, key: str, headers: Mapping[str, str] | None = None, body: bytes = b"", bytes_max: int = 0
    ) -> Answer:
        """The answer to one operation, whatever its status; repeated when S3 failed or the credentials were old."""
        for _ in range(ATTEMPTS_MAX - 1):
            try:
                answer = await self._send(method, key, headers or {}, body, bytes_max)
            except PayloadTooLarge:
                raise
            except PayloadStoreError:
                await asyncio.sleep(RETRY_PAUSE_S)
                continue
            if answer.code in CREDENTIAL_CODES:
                self._credentials.invalidate()
            elif answer.status < 500 and answer.status != 429:
                return answer
            await asyncio.sleep(RETRY_PAUSE_S)
        return await self._send(method, key, headers or {}, body, bytes_max)

    async def _send(self, method: str, key: str, headers: Mapping[str, str], body: bytes, bytes_max: int) -> Answer:
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
                return await _answer(response, bytes_max)
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise PayloadStoreError(f"{method}: {type(exc).__name__}") from exc

    async def _key(self) -> AwsKey:
        try:
            return await role_key(self._credentials, self._session)
        except KeyUnavailable as exc:
            raise PayloadStoreError(str(exc)) from exc

    def _url(self, key: str) -> str:
        return f"{self._base}/{quote(key, safe='/~')}"


async def _answer(response: aiohttp.ClientResponse, bytes_max: int) -> Answer:
    headers = {name.lower(): value for name, value in response.headers.items()}
    if response.status >= 300:
        error = _CODE.search(await response.content.read(ERROR_BYTES_MAX))
        return Answer(response.status, headers, code=error[1].decode() if error else "")
    if response.method == "GET" and response.status == 200:
        return Answer(200, headers, await _read(response, bytes_max))
    return Answer(response.status, headers)


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


def _size(answer: Answer) -> int:
    """Of the whole object, also when only its first byte was asked for."""
    _, _, total = answer.headers.get("content-range", "").rpartition("/")
    size = total or answer.headers.get("content-length", "")
    if not size.isdecimal():
        raise PayloadStoreError(f"HEAD: no size but {size[:32]!r}")
    return int(size)


class PayloadStoreError(Exception):
    """The store could not do it; what was asked for may be asked for again."""


def _failed(operation: str, answer: Answer) -> PayloadStoreError:
    return PayloadStoreError(f"{operation}: HTTP {answer.status} {answer.code}")


class PayloadMissing(PayloadStoreError):
    """There is no object under this key."""


class PayloadTooLarge(PayloadStoreError):
    """The object has more bytes than the reader can take."""


class PayloadStore(Protocol):
    """Keys are built from an account's own id by whoever calls; the store believes them."""

    async def put(self, key: str, body: bytes, content_type: str) -> None:
        """Returns when the object can be read; writing the same again is the same. Raises PayloadStoreError."""

    async def head(self, key: str) -> StoredObject | None:
        """None: no such object. Raises PayloadStoreError."""

    async def get(self, key: str, bytes_max: int) -> bytes:
        """The whole object. Raises PayloadMissing, PayloadTooLarge or PayloadStoreError."""

    async def presigned_get(self, key: str, expires_s: int) -> str:
        """A URL that reads the object without credentials; it need not exist yet. Raises PayloadStoreError."""

    async def presigned_put(self, key: str, size: int, content_type: str, expires_s: int) -> str:
        """A URL that writes the object: exactly `size` bytes, sent as `content_type`. Raises PayloadStoreError."""


# Links to objects of the payload bucket for tools, which have no event loop of their own to keep connections on.

_READ_ONLY = "a tool writes no payloads"


class BotoLinks:
    """Implements `PayloadStore` as far as operators need it: URLs that read. boto3 is loaded at the first use."""

    def __init__(self, bucket: str, region: str, endpoint_url: str | None = None) -> None:
        self._bucket = bucket
        self._region = region
        self._endpoint_url = endpoint_url

    async def presigned_get(self, key: str, expires_s: int) -> str:
        """Raises PayloadStoreError."""
        from botocore.exceptions import BotoCoreError

        try:
            parameters = {"Bucket": self._bucket, "Key": key}
            url: str = self._client().generate_presigned_url("get_object", Params=parameters, ExpiresIn=expires_s)
        except BotoCoreError as exc:
            raise PayloadStoreError(type(exc).__name__) from exc
        return url

    async def put(self, key: str, body: bytes, content_type: str) -> None:
        raise PayloadStoreError(_READ_ONLY)

    async def head(self, key: str) -> StoredObject | None:
        raise PayloadStoreError(_READ_ONLY)

    async def get(self, key: str, bytes_max: int) -> bytes:
        raise PayloadStoreError(_READ_ONLY)

    async def presigned_put(self, key: str, size: int, content_type: str, expires_s: int) -> str:
        raise PayloadStoreError(_READ_ONLY)

    def _client(self) -> Any:
        import botocore.session
        from botocore.config import Config

        # Signature 4 in the query: what newer regions, and ours, take.
        config = Config(signature_version="s3v4")
        return botocore.session.get_session().create_client(
            "s3", region_name=self._region, endpoint_url=self._endpoint_url, config=config
        )
