"""AWS Signature Version 4 for one request with a body, in the form that AWS's JSON services take.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html; botocore's signer would cost its import, 60 ms.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qsl, quote, urlsplit

ALGORITHM = "AWS4-HMAC-SHA256"


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
        """`headers` (lower-case names) with host, date, token and signature. `now` is in UTC."""
        timestamp = now.strftime("%Y%m%dT%H%M%SZ")
        signed = {**headers, "host": urlsplit(url).netloc, "x-amz-date": timestamp}
        if key.token:
            signed["x-amz-security-token"] = key.token
        names = ";".join(sorted(signed))
        scope = f"{timestamp[:8]}/{self.region}/{self.service}/aws4_request"
        request = canonical_request(method, url, signed, body)
        text = f"{ALGORITHM}\n{timestamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        signature = hmac.new(self._signing_key(key, timestamp[:8]), text.encode(), hashlib.sha256).hexdigest()
        credential = f"{ALGORITHM} Credential={key.id}/{scope}, SignedHeaders={names}, Signature={signature}"
        return signed | {"authorization": credential}

    def _signing_key(self, key: AwsKey, date: str) -> bytes:
        derived = f"AWS4{key.secret}".encode()
        for part in (date, self.region, self.service, "aws4_request"):
            derived = hmac.new(derived, part.encode(), hashlib.sha256).digest()
        return derived


def canonical_request(method: str, url: str, headers: Mapping[str, str], body: bytes) -> str:
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    query = "&".join(sorted(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in pairs))
    lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in sorted(headers))
    names = ";".join(sorted(headers))
    return f"{method}\n{parts.path or '/'}\n{query}\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
