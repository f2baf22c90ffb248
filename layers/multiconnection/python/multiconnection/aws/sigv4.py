"""AWS Signature Version 4 in the forms that we need: headers of a request, and URLs that carry their signature.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html; botocore's signer would cost its import, 60 ms.
Paths are signed as they stand in the URL, encoded once: right for S3, and for services whose only path is `/`.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import aiohttp
from aiodynamo.credentials import Credentials, TooManyRetries
from aiodynamo.http.aiohttp import AIOHTTP

ALGORITHM = "AWS4-HMAC-SHA256"
# S3 wants the body's hash among the headers; in a URL for a body that is not known yet, this word instead of it.
CONTENT_HASH = "x-amz-content-sha256"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"


@dataclass(frozen=True, slots=True)
class AwsKey:
    """Credentials of a role or a user; `token` with temporary ones."""

    id: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Signer:
    """For one service in one region."""

    service: str
    region: str

    def headers(
        self, key: AwsKey, method: str, url: str, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> dict[str, str]:
        """`headers` (lower-case names) with host, date, token and signature. `now` is in UTC.

        The body's hash is taken from the header `x-amz-content-sha256` where there is one.
        """
        timestamp = _timestamp(now)
        signed = {**headers, "host": urlsplit(url).netloc, "x-amz-date": timestamp}
        if key.token:
            signed["x-amz-security-token"] = key.token
        request = canonical_request(method, url, signed, headers.get(CONTENT_HASH) or sha256_hex(body))
        names, scope = _names(signed), self._scope(timestamp)
        signature = self._signature(key, timestamp, request)
        credential = f"{ALGORITHM} Credential={key.id}/{scope}, SignedHeaders={names}, Signature={signature}"
        return signed | {"authorization": credential}

    def presigned(
        self, key: AwsKey, method: str, url: str, headers: Mapping[str, str], expires_s: int, now: datetime
    ) -> str:
        """`url` (without a query) with the signature in its query.

        Whoever uses it has to send `headers` (lower-case names) exactly as they are here.
        """
        timestamp = _timestamp(now)
        signed = {**headers, "host": urlsplit(url).netloc}
        query = {
            "X-Amz-Algorithm": ALGORITHM,
            "X-Amz-Credential": f"{key.id}/{self._scope(timestamp)}",
            "X-Amz-Date": timestamp,
            "X-Amz-Expires": str(expires_s),
            "X-Amz-SignedHeaders": _names(signed),
        }
        if key.token:
            query["X-Amz-Security-Token"] = key.token
        to_sign = f"{url}?{urlencode(query, quote_via=quote, safe='~')}"
        request = canonical_request(method, to_sign, signed, UNSIGNED_PAYLOAD)
        return f"{to_sign}&X-Amz-Signature={self._signature(key, timestamp, request)}"

    def _scope(self, timestamp: str) -> str:
        return f"{timestamp[:8]}/{self.region}/{self.service}/aws4_request"

    def _signature(self, key: AwsKey, timestamp: str, request: str) -> str:
        text = f"{ALGORITHM}\n{timestamp}\n{self._scope(timestamp)}\n{sha256_hex(request.encode())}"
        return hmac.new(self._signing_key(key, timestamp[:8]), text.encode(), hashlib.sha256).hexdigest()

    def _signing_key(self, key: AwsKey, date: str) -> bytes:
        derived = f"AWS4{key.secret}".encode()
        for part in (date, self.region, self.service, "aws4_request"):
            derived = hmac.new(derived, part.encode(), hashlib.sha256).digest()
        return derived


def canonical_request(method: str, url: str, headers: Mapping[str, str], payload_hash: str) -> str:
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    query = "&".join(sorted(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in pairs))
    lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in sorted(headers))
    return f"{method}\n{parts.path or '/'}\n{query}\n{lines}\n{_names(headers)}\n{payload_hash}"


def sha256_hex(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _names(headers: Mapping[str, str]) -> str:
    return ";".join(sorted(headers))


def _timestamp(now: datetime) -> str:
    return now.strftime("%Y%m%dT%H%M%SZ")


# The process's own AWS credentials, from aiodynamo's chain, as our signer takes them.


class KeyUnavailable(Exception):
    """There are no credentials, or they could not be fetched; the message says which."""


async def role_key(credentials: Credentials, session: aiohttp.ClientSession) -> AwsKey:
    """Raises KeyUnavailable."""
    try:
        key = await credentials.get_key(AIOHTTP(session))
    except (aiohttp.ClientError, TimeoutError, OSError, TooManyRetries) as exc:
        raise KeyUnavailable(f"AWS credentials: {type(exc).__name__}") from exc
    if key is None:
        raise KeyUnavailable("no AWS credentials")
    return AwsKey(key.id, key.secret, key.token)
