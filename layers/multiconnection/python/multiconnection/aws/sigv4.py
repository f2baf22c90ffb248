"""AWS Signature Version 4: headers of a request, and URLs that carry their signature.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html; botocore's signer would cost its import, 60 ms.
Paths are signed as they stand in the URL, encoded once: right for S3, and for services whose only path is `/`.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import aiohttp
from aiodynamo.credentials import Credentials, Key
from aiodynamo.http.aiohttp import AIOHTTP

ALGORITHM = "AWS4-HMAC-SHA256"
# S3 wants the body's hash among the headers; in a URL for a body that is not known yet, this word instead of it.
CONTENT_HASH = "x-amz-content-sha256"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"


class KeyUnavailable(Exception):
    """There are no credentials, or they could not be fetched; the message says which."""


async def role_key(credentials: Credentials, session: aiohttp.ClientSession) -> Key:
    """The credentials of this process, from aiodynamo's chain. Raises KeyUnavailable."""
    try:
        key = await credentials.get_key(AIOHTTP(session))
    except Exception as exc:  # the chain has no errors of its own and lets through whatever it meets
        raise KeyUnavailable(f"AWS credentials: {type(exc).__name__}") from exc
    if key is None:
        raise KeyUnavailable("no AWS credentials")
    return key


class Signer:
    """Sign requests to one service in one region. The signing key is derived once a day for each of its credentials."""

    def __init__(self, service: str, region: str) -> None:
        self._place = f"{region}/{service}/aws4_request"
        self._derived: tuple[Key, str, bytes] | None = None

    def headers(
        self, key: Key, method: str, url: str, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> dict[str, str]:
        """`headers` (lower-case names) with host, date, token and signature. `now` is in UTC.

        The body's hash is taken from the header `x-amz-content-sha256` where there is one.
        """
        timestamp = timestamp_of(now)
        signed = {**headers, "host": urlsplit(url).netloc, "x-amz-date": timestamp}
        if key.token:
            signed["x-amz-security-token"] = key.token
        request = _canonical_request(method, url, signed, headers.get(CONTENT_HASH) or sha256_hex(body))
        return signed | {"authorization": self.authorization(key, timestamp, _names(signed), request)}

    def authorization(self, key: Key, timestamp: str, names: str, request: str) -> str:
        """The `Authorization` header of a canonical request whose signed headers are `names`."""
        scope = f"{timestamp[:8]}/{self._place}"
        signature = self._signature(key, timestamp, scope, request)
        return f"{ALGORITHM} Credential={key.id}/{scope}, SignedHeaders={names}, Signature={signature}"

    def presigned(
        self, key: Key, method: str, url: str, headers: Mapping[str, str], expires_s: int, now: datetime
    ) -> str:
        """`url` (without a query) with the signature in its query.

        A request to it has to carry `headers` (lower-case names) exactly as they are here.
        """
        timestamp = timestamp_of(now)
        scope = f"{timestamp[:8]}/{self._place}"
        signed = {**headers, "host": urlsplit(url).netloc}
        query = {
            "X-Amz-Algorithm": ALGORITHM,
            "X-Amz-Credential": f"{key.id}/{scope}",
            "X-Amz-Date": timestamp,
            "X-Amz-Expires": str(expires_s),
            "X-Amz-SignedHeaders": _names(signed),
        }
        if key.token:
            query["X-Amz-Security-Token"] = key.token
        to_sign = f"{url}?{urlencode(query, quote_via=quote, safe='~')}"
        request = _canonical_request(method, to_sign, signed, UNSIGNED_PAYLOAD)
        return f"{to_sign}&X-Amz-Signature={self._signature(key, timestamp, scope, request)}"

    def _signature(self, key: Key, timestamp: str, scope: str, request: str) -> str:
        to_sign = f"{ALGORITHM}\n{timestamp}\n{scope}\n{sha256_hex(request.encode())}"
        return hmac.digest(self._signing_key(key, timestamp[:8]), to_sign.encode(), "sha256").hex()

    def _signing_key(self, key: Key, date: str) -> bytes:
        derived = self._derived
        if derived is None or derived[0] is not key or derived[1] != date:
            signing_key = f"AWS4{key.secret}".encode()
            for part in (date, *self._place.split("/")):
                signing_key = hmac.digest(signing_key, part.encode(), "sha256")
            derived = self._derived = key, date, signing_key
        return derived[2]


def timestamp_of(now: datetime) -> str:
    """`now`, in UTC, as signatures and their headers spell it."""
    return now.strftime("%Y%m%dT%H%M%SZ")


def sha256_hex(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _canonical_request(method: str, url: str, headers: Mapping[str, str], payload_hash: str) -> str:
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    query = "&".join(sorted(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in pairs))
    lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in sorted(headers))
    return f"{method}\n{parts.path or '/'}\n{query}\n{lines}\n{_names(headers)}\n{payload_hash}"


def _names(headers: Mapping[str, str]) -> str:
    return ";".join(sorted(headers))
